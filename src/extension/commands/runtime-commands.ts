/** The runtime and the worker; the sample; the walkthrough. */
import path from 'node:path';
import * as vscode from 'vscode';
import { phaseWords } from '../../common/progress.ts';
import { setContext } from '../context-keys.ts';
import { EXTENSION_ID, WALKTHROUGH_ID } from '../contributions.ts';
import { RUNTIME_DOWNLOAD } from '../status-bar.ts';
import { chooseFolder } from './load-commands.ts';
import { CANCELLED } from './questions.ts';
import { openEditor, type Services } from './services.ts';

const SAMPLE_FOLDER = 'espalier-sample';

/** Installs in the foreground, with progress and cancel, outside of the queue: it needs no workspace and no model. */
export async function installRuntime({ worker, status }: Services): Promise<void> {
  const installed = await vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: vscode.l10n.t('Installing the TensorFlow runtime'),
      cancellable: true,
    },
    (progress, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      let shown = 0;
      return worker.request(
        'runtime/install',
        {},
        {
          signal: controller.signal,
          onProgress: ({ phase, done, total, message }) => {
            const percent = total > 0 ? (done / total) * 100 : 0;
            progress.report({
              message: [phaseWords(phase), message].filter(Boolean).join(': '),
              increment: percent - shown,
            });
            shown = percent;
          },
        },
      );
    },
  );
  status.setStatus(installed);
  void vscode.window.showInformationMessage(vscode.l10n.t('Espalier now computes with {0}.', installed.backend));
}

export async function showRuntime({ worker, status }: Services): Promise<void> {
  const found = await worker.request('runtime/status', {});
  status.setStatus(found);
  const lines = [
    vscode.l10n.t('Backend: {0}', found.backend),
    vscode.l10n.t('Device: {0}', found.device),
    found.installed
      ? vscode.l10n.t('TensorFlow runtime: installed in {0}', found.folder)
      : vscode.l10n.t('TensorFlow runtime: not installed; a download of {0}', RUNTIME_DOWNLOAD),
    found.reason ?? '',
    vscode.l10n.t('Worker: process {0}, Node {1}', found.worker.pid, found.worker.node),
  ];
  const install = vscode.l10n.t('Install TensorFlow Runtime');
  const actions = found.installed ? [] : [install];
  const chosen = await vscode.window.showInformationMessage(
    vscode.l10n.t('Espalier computes with {0}.', found.backend),
    { modal: true, detail: lines.filter((line) => line !== '').join('\n') },
    ...actions,
  );
  if (chosen === install) await vscode.commands.executeCommand('espalier.installRuntime');
}

export async function restartWorker({ worker, runs }: Services): Promise<void> {
  const { current } = runs.queue;
  // Finetuning has a process of its own, which no restart touches.
  if (current && current.request.kind !== 'finetune') {
    const restart = vscode.l10n.t('Restart Worker');
    const chosen = await vscode.window.showWarningMessage(
      vscode.l10n.t('{0} is under way and would be interrupted.', `${current.title}: ${current.subject}`),
      { modal: true },
      restart,
    );
    if (chosen !== restart) throw CANCELLED;
  }
  await worker.supervisor.restart();
}

export function showLog({ log }: Services): void {
  log.show();
}

/** Makes the sample in a folder, chooses its images as the data set, and opens its model. */
export async function createSample({ worker, datasets }: Services, argument?: unknown): Promise<void> {
  const folder =
    typeof argument === 'string'
      ? argument
      : path.join(
          await chooseFolder(
            vscode.l10n.t('In which folder shall "{0}" be created?', SAMPLE_FOLDER),
            vscode.l10n.t('Create Here'),
          ),
          SAMPLE_FOLDER,
        );
  const { model, dataset } = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t('Creating the sample'), cancellable: true },
    (progress, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      return worker.request(
        'sample/create',
        { folder },
        {
          signal: controller.signal,
          onProgress: ({ phase, done, total }) =>
            progress.report({
              message: total ? `${phaseWords(phase)} ${Math.floor((done / total) * 100)} %` : phaseWords(phase),
            }),
        },
      );
    },
  );
  await datasets.use(dataset);
  setContext('espalier.didCreateSample', true);
  await openEditor({ kind: 'file', path: model });
}

export async function openWalkthrough(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.openWalkthrough', `${EXTENSION_ID}#${WALKTHROUGH_ID}`, false);
}
