/** How programs of ours are started: with which Node, memory and settings. */
import * as vscode from 'vscode';
import { writableWorkspace } from '../runs/runs-folder.ts';
import { setting } from '../settings.ts';
import type { WorkerCommand } from './worker-process.ts';

/** @param entry file in `dist` */
export function nodeCommand(
  context: Pick<vscode.ExtensionContext, 'extensionUri' | 'storageUri' | 'globalStorageUri'>,
  entry: string,
): WorkerCommand {
  return {
    entry: vscode.Uri.joinPath(context.extensionUri, 'dist', entry).fsPath,
    node: setting('espalier.worker.node') || undefined,
    execArgv: [`--max-old-space-size=${setting('espalier.worker.memory')}`],
    // The desktop's extension host is Electron, which runs scripts as Node only when told to.
    env: {
      ELECTRON_RUN_AS_NODE: '1',
      ESPALIER_BACKEND: setting('espalier.backend'),
      ESPALIER_DEVICE: setting('espalier.device'),
      ESPALIER_PIXELS: setting('espalier.pixels'),
      // Times of this machine are the command line's too, which keeps them in the workspace.
      ESPALIER_WORKSPACE: writableWorkspace() ?? (context.storageUri ?? context.globalStorageUri).fsPath,
      // Scores survive the worker here, also where the workspace cannot be written to.
      ESPALIER_SCORES: vscode.Uri.joinPath(context.storageUri ?? context.globalStorageUri, 'scores').fsPath,
    },
  };
}
