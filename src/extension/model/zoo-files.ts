/** Documents of models without weights: a read-only scheme whose files are the zoo's names, so that editors restore. */
import * as vscode from 'vscode';
import { ZOO_SCHEME } from '../contributions.ts';

class ZooFiles implements vscode.FileSystemProvider {
  private readonly changes = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.changes.event;

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  stat(uri: vscode.Uri): vscode.FileStat {
    const type = uri.path === '/' ? vscode.FileType.Directory : vscode.FileType.File;
    return { type, ctime: 0, mtime: 0, size: 0, permissions: vscode.FilePermission.Readonly };
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  readFile(): Uint8Array {
    return new Uint8Array();
  }

  private refuse(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  readonly createDirectory = this.refuse;
  readonly writeFile = this.refuse;
  readonly delete = this.refuse;
  readonly rename = this.refuse;
}

export const registerZooFiles = (): vscode.Disposable =>
  vscode.workspace.registerFileSystemProvider(ZOO_SCHEME, new ZooFiles(), { isReadonly: true, isCaseSensitive: true });
