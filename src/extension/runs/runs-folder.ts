/** The folder that runs are kept in. */
import { accessSync, constants, mkdirSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { setting } from '../settings.ts';

const firstFolder = (): string | undefined =>
  vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file')?.uri.fsPath;

/** The first folder of the workspace, where something may be kept in it. */
export function writableWorkspace(): string | undefined {
  const workspace = firstFolder();
  return workspace !== undefined && vscode.workspace.isTrusted && isWritable(workspace) ? workspace : undefined;
}

/** Where runs are kept: in the workspace as the setting says, else (no folder open, not writable) in VS Code's own storage. */
export function runsFolder(context: vscode.ExtensionContext): string {
  const wanted = setting('espalier.runsFolder');
  const workspace = firstFolder();
  const place = path.isAbsolute(wanted) ? wanted : workspace && path.join(workspace, wanted);
  if (place && vscode.workspace.isTrusted && isWritable(path.isAbsolute(wanted) ? wanted : (workspace as string)))
    return place;
  return vscode.Uri.joinPath(context.storageUri ?? context.globalStorageUri, 'runs').fsPath;
}

function isWritable(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
