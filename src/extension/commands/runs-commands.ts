/** Runs: open, pause, stop, resume, delete. */
import * as vscode from 'vscode';
import { canPause, canResume, canStopAfterEpoch, ENDED, type RunRecord } from '../runs/run-record.ts';
import { nameOfRun } from '../runs/run-service.ts';
import { RequestError } from '../supervision/request-error.ts';
import { stateText } from '../views/runs-tree.ts';
import { askText, CANCELLED, chooseOne } from './questions.ts';
import { openEditor, type Services } from './services.ts';

const LONGEST_NAME = 120;

const isRecord = (argument: unknown): argument is RunRecord =>
  typeof argument === 'object' && argument !== null && 'request' in argument && 'id' in argument;

/** The run meant: the argument's, the one in front, the only one that will do, or the one that the person picks. */
async function chooseRun(
  { runs, runPanels }: Services,
  argument: unknown,
  will: (record: RunRecord) => boolean,
  nothing: string,
): Promise<RunRecord> {
  if (isRecord(argument)) return runs.find(argument.id) ?? argument;
  const { active } = runPanels;
  if (active && will(active)) return active;
  if (runs.all.length === 0) await runs.load();
  const fitting = runs.all.filter(will);
  if (fitting.length === 0) throw new RequestError('user', nothing);
  if (fitting.length === 1) return fitting[0];
  const chosen = await chooseOne(
    fitting.map((record) => ({
      label: nameOfRun(record),
      description: `${record.title} · ${record.subject} · ${stateText[record.state]()}`,
      detail: new Date(record.created).toLocaleString(),
      record,
    })),
    { placeHolder: vscode.l10n.t('Which run?'), matchOnDescription: true },
  );
  return chosen.record;
}

export async function openRun(services: Services, argument?: unknown): Promise<void> {
  const { current } = services.runs.queue;
  const record =
    argument === undefined && current
      ? current
      : await chooseRun(services, argument, () => true, vscode.l10n.t('There is no run yet.'));
  services.runPanels.open(record);
}

export async function pauseRun(services: Services, argument?: unknown): Promise<void> {
  await services.runs.pause(await chooseRun(services, argument, canPause, vscode.l10n.t('No run can be paused.')));
}

export async function continueRun(services: Services, argument?: unknown): Promise<void> {
  const paused = (record: RunRecord): boolean => record.state === 'paused';
  await services.runs.continue(await chooseRun(services, argument, paused, vscode.l10n.t('No run is paused.')));
}

export async function stopRunAfterEpoch(services: Services, argument?: unknown): Promise<void> {
  await services.runs.stopAfterEpoch(
    await chooseRun(services, argument, canStopAfterEpoch, vscode.l10n.t('No finetuning is under way.')),
  );
}

/** Stops the run meant; of a model (the editor's Cancel button), the run under way. */
export async function stopRun(services: Services, argument?: unknown): Promise<void> {
  const { current } = services.runs.queue;
  const going = (record: RunRecord): boolean => !ENDED.has(record.state);
  const meant = isRecord(argument) ? argument : current;
  services.runs.stop(await chooseRun(services, meant, going, vscode.l10n.t('No run is under way.')));
}

export async function resumeRun(services: Services, argument?: unknown): Promise<void> {
  const record = await chooseRun(services, argument, canResume, vscode.l10n.t('There is no run to resume.'));
  await services.runs.resume(record);
  services.runPanels.open(record);
}

export async function openRunFolder(services: Services, argument?: unknown): Promise<void> {
  const record = await chooseRun(services, argument, () => true, vscode.l10n.t('There is no run yet.'));
  const folder = vscode.Uri.file(services.runs.store.directory(record.id));
  if (vscode.workspace.getWorkspaceFolder(folder)) await vscode.commands.executeCommand('revealInExplorer', folder);
  else await vscode.commands.executeCommand('revealFileInOS', folder);
}

export async function openRunResult(services: Services, argument?: unknown): Promise<void> {
  const { runs } = services;
  const written = (record: RunRecord): boolean => runs.resultOf(record) !== undefined;
  const record = await chooseRun(services, argument, written, vscode.l10n.t('No run has written a model yet.'));
  const result = runs.resultOf(record);
  if (!result) return;
  // A report, with its picture.
  if (result.kind === 'report')
    await vscode.commands.executeCommand('markdown.showPreview', vscode.Uri.file(result.file));
  else await openEditor({ kind: 'file', path: result.file });
}

export async function renameRun(services: Services, argument?: unknown): Promise<void> {
  const record = await chooseRun(services, argument, () => true, vscode.l10n.t('There is no run yet.'));
  const name = await askText({
    title: vscode.l10n.t('Rename Run'),
    prompt: vscode.l10n.t('Empty: the name that it has by itself.'),
    value: nameOfRun(record),
    validateInput: (value) => (value.length > LONGEST_NAME ? vscode.l10n.t('At most {0} letters.', LONGEST_NAME) : ''),
  });
  const unchanged = name === nameOfRun(record);
  if (!unchanged) await services.runs.rename(record, name);
}

export async function deleteRun(services: Services, argument?: unknown): Promise<void> {
  const record = await chooseRun(
    services,
    argument,
    ({ state }) => ENDED.has(state),
    vscode.l10n.t('There is no run to delete.'),
  );
  const remove = vscode.l10n.t('Delete');
  const chosen = await vscode.window.showWarningMessage(
    vscode.l10n.t('Delete the run "{0}" with its checkpoints?', nameOfRun(record)),
    { modal: true, detail: services.runs.store.directory(record.id) },
    remove,
  );
  if (chosen !== remove) throw CANCELLED;
  await services.runs.remove(record);
}

export const refreshRuns = ({ runs }: Services): Promise<void> => runs.load();
