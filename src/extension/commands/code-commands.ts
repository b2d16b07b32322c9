/** Models from a person's own code: Python builds and exports them, and the exported program is opened. */
import path from 'node:path';
import * as vscode from 'vscode';
import { chooseOutput } from './plan-commands.ts';
import { askText, CANCELLED } from './questions.ts';
import { openEditor, type Services } from './services.ts';

const PYTHON_EXTENSION = 'ms-python.python';
const TARGET = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;
const SIZES = /^[1-9]\d{0,4}([x×][1-9]\d{0,4}){3}$/;

/** What is used of the Python extension: the environment that is selected for a folder. */
interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: {
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri?: vscode.Uri } } | undefined>;
  };
}

const isPythonApi = (value: unknown): value is PythonApi =>
  typeof value === 'object' && value !== null && 'environments' in value;

/** The interpreter that the Python extension has selected; the system's without that extension. */
async function findPython(folder: vscode.Uri | undefined): Promise<string> {
  const extension = vscode.extensions.getExtension<unknown>(PYTHON_EXTENSION);
  const api = extension && (extension.isActive ? extension.exports : await extension.activate());
  if (isPythonApi(api)) {
    const { environments } = api;
    const found = await environments.resolveEnvironment(environments.getActiveEnvironmentPath(folder));
    if (found?.executable.uri) return found.executable.uri.fsPath;
  }
  return process.platform === 'win32' ? 'python' : 'python3';
}

/** Shows what is about to be run, and asks whether it may. */
async function confirm({ worker }: Services, module: string, python: string): Promise<void> {
  const { script } = await worker.request('trace/script', {});
  const document = await vscode.workspace.openTextDocument({ language: 'python', content: script });
  await vscode.window.showTextDocument(document, { preview: true });
  const run = vscode.l10n.t('Run');
  const chosen = await vscode.window.showWarningMessage(
    vscode.l10n.t("Run this script with {0}? It imports {1}, and with it that module's own code.", python, module),
    { modal: true },
    run,
  );
  if (chosen !== run) throw CANCELLED;
}

/** Asks for `package.module:callable` and an input's sizes, runs torch.export on what the callable gives, and opens the `.pt2`. */
export async function openFromCode(services: Services): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const module = await askText({
    title: vscode.l10n.t('Open PyTorch Model From Code'),
    prompt: vscode.l10n.t('Module and callable that gives the model, without arguments'),
    placeHolder: 'package.module:callable',
    validateInput: (text) =>
      TARGET.test(text) ? undefined : vscode.l10n.t('Write it as {0}.', 'package.module:callable'),
  });
  const input = await askText({
    title: vscode.l10n.t('Open PyTorch Model From Code'),
    prompt: vscode.l10n.t('Sizes of a batch of images: images, channels, height, width'),
    value: '1x3x224x224',
    validateInput: (text) => (SIZES.test(text) ? undefined : vscode.l10n.t('Write it as {0}.', '1x3x224x224')),
  });
  const python = await findPython(folder);
  await confirm(services, module, python);
  const name = `${module.slice(module.indexOf(':') + 1).replace(/\W/g, '_')}.pt2`;
  const { output } = await chooseOutput(path.join(folder?.fsPath ?? '.', name), { pt2: ['pt2'] });
  const { notes } = await vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: vscode.l10n.t('Exporting {0}', module),
      cancellable: true,
    },
    (_, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      const paths = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
      return services.worker.request(
        'trace/run',
        { module, input, output, paths, python },
        { signal: controller.signal },
      );
    },
  );
  for (const note of notes) services.log.info(note);
  if (notes.length) void vscode.window.showInformationMessage(notes.join(' '));
  await openEditor({ kind: 'file', path: output });
}
