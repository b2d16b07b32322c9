/** What commands work with, and how they find the model that they are meant for. */
import * as vscode from 'vscode';
import type { ModelSource } from '../../protocol/values.ts';
import type { ComparePanels } from '../compare/compare-panel.ts';
import type { Comparison } from '../compare/comparison.ts';
import { EDITOR_IDS, editorIdOf } from '../contributions.ts';
import { costUnit, formatMacs } from '../cost-text.ts';
import type { Datasets } from '../dataset/datasets.ts';
import type { Log } from '../log.ts';
import type { ModelEditorProvider } from '../model/model-editor.ts';
import type { ModelLibrary } from '../model/model-library.ts';
import type { ModelSession } from '../model/model-session.ts';
import type { ModelSessions } from '../model/model-sessions.ts';
import { modelKey, modelTitle, shortPath, sourceOf, uriOf } from '../model/model-uri.ts';
import type { RunPanels } from '../runs/run-panels.ts';
import type { RunService } from '../runs/run-service.ts';
import type { StatusBar } from '../status-bar.ts';
import { RequestError } from '../supervision/request-error.ts';
import type { Worker } from '../supervision/worker.ts';
import type { GroupsTree } from '../views/groups-tree.ts';
import type { ModelsView } from '../views/models-tree.ts';
import type { RunsView } from '../views/runs-tree.ts';
import type { Memory } from '../workspace-memory.ts';
import { CANCELLED, chooseOne, chooseSeveral } from './questions.ts';

export interface Services {
  readonly context: vscode.ExtensionContext;
  readonly log: Log;
  readonly memory: Memory;
  readonly worker: Worker;
  readonly sessions: ModelSessions;
  readonly library: ModelLibrary;
  readonly editors: ModelEditorProvider;
  readonly comparison: Comparison;
  readonly datasets: Datasets;
  readonly runs: RunService;
  readonly runPanels: RunPanels;
  readonly comparePanels: ComparePanels;
  readonly status: StatusBar;
  readonly modelsView: ModelsView;
  readonly groupsTree: GroupsTree;
  readonly runsView: RunsView;
}

/** The model that an argument of a menu, tree or button stands for. */
export function sourceOfArgument(argument: unknown): ModelSource | undefined {
  if (argument instanceof vscode.Uri) return sourceOf(argument);
  if (typeof argument !== 'object' || argument === null) return undefined;
  if ('source' in argument) return sourceOfArgument(argument.source);
  if ('kind' in argument && argument.kind === 'file' && 'path' in argument) return argument as ModelSource;
  if ('kind' in argument && argument.kind === 'zoo' && 'name' in argument) return argument as ModelSource;
  return undefined;
}

/** Shows a model in its editor. */
export async function openEditor(
  source: ModelSource,
  column: vscode.ViewColumn = vscode.ViewColumn.Active,
): Promise<void> {
  await vscode.commands.executeCommand('vscode.openWith', uriOf(source), editorIdOf(uriOf(source).path), column);
}

/** The session of a model, its editor opened where it was not; ready, or throws why it is not. */
export async function openSession({ sessions }: Services, source: ModelSource): Promise<ModelSession> {
  if (!sessions.find(source)) await openEditor(source);
  const session = sessions.find(source);
  if (!session) throw new RequestError('user', vscode.l10n.t('{0} could not be opened.', modelTitle(source)));
  await session.open();
  if (session.state.phase !== 'ready') throw new RequestError('user', session.state.message);
  return session;
}

interface ModelPick extends vscode.QuickPickItem {
  readonly source: ModelSource;
}

/** Models to choose from: open ones first, then the others of the list. */
function modelPicks(services: Services, onlyFiles: boolean): ModelPick[] {
  const { sessions, library } = services;
  const known = new Map<string, ModelPick>();
  const sources = [...sessions.all.map(({ source }) => source), ...library.models.map(({ source }) => source)];
  for (const source of sources) {
    if (onlyFiles && source.kind !== 'file') continue;
    const info = sessions.find(source)?.info ?? library.find(source)?.info;
    known.set(modelKey(source), {
      label: modelTitle(source),
      description: info ? `${formatMacs(info.macs)} ${costUnit()}` : undefined,
      detail: source.kind === 'file' ? shortPath(source.path) : vscode.l10n.t('without weights'),
      source,
    });
  }
  return [...known.values()];
}

/** The model whose editor is the tab in front; undefined where that tab is something else: a comparison, a run, a text. */
function modelInFront({ sessions }: Services): ModelSource | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  if (!(input instanceof vscode.TabInputCustom) || !EDITOR_IDS.includes(input.viewType)) return undefined;
  return sessions.find(sourceOf(input.uri))?.source;
}

/**
 * The model meant: the argument's, else that of the editor in front, else the one that the person picks: with another tab in
 * front, whichever model was looked at last is only a guess, and stands first in the list.
 * @param title what is to be done with it: the question's title
 */
export async function chooseModel(
  services: Services,
  argument: unknown,
  title: string,
  onlyFiles = false,
): Promise<ModelSource> {
  const given = sourceOfArgument(argument);
  if (given) return given;
  const front = modelInFront(services);
  if (front && (!onlyFiles || front.kind === 'file')) return front;
  const last = services.sessions.active?.key;
  const picks = modelPicks(services, onlyFiles).sort(
    (a, b) => Number(modelKey(b.source) === last) - Number(modelKey(a.source) === last),
  );
  if (picks.length === 0)
    throw new RequestError('user', vscode.l10n.t('Open a checkpoint first: "Espalier: Load Checkpoint…".'));
  if (picks.length === 1) return picks[0].source;
  return (await chooseOne(picks, { title, placeHolder: vscode.l10n.t('Which model?') })).source;
}

/** One or several models: the arguments of a tree with several selected, else those that the person ticks. */
export async function chooseModels(
  services: Services,
  argument: unknown,
  several: unknown,
): Promise<readonly ModelSource[]> {
  const given = (Array.isArray(several) && several.length ? several : [argument])
    .map(sourceOfArgument)
    .filter((source) => source !== undefined && source.kind === 'file') as ModelSource[];
  if (given.length) return given;
  const active = services.sessions.active;
  // What was finetuned last belongs in the comparison: its run's tab may be in front, or the dense model's.
  const finetuned =
    services.runPanels.active?.output ??
    services.runs.all.find(({ state, request }) => state === 'done' && request.kind === 'finetune')?.output;
  const files = [active?.prunedFile, finetuned].flatMap((file) =>
    file ? [{ kind: 'file', path: file } as const] : [],
  );
  // Beside what it came from: alone, it says nothing of what was lost. After a reload no model is active.
  const preferred = new Set([
    active?.key,
    ...files.flatMap((file) => [file, services.library.denseOf(file)].map(modelKey)),
  ]);
  const picks = modelPicks(services, true);
  if (picks.length === 0)
    throw new RequestError('user', vscode.l10n.t('Open a checkpoint first: "Espalier: Load Checkpoint…".'));
  if (picks.length === 1) return [picks[0].source];
  const chosen = await chooseSeveral(
    picks.map((pick) => ({ ...pick, picked: preferred.has(modelKey(pick.source)) })),
    { placeHolder: vscode.l10n.t('Which models?') },
  );
  return chosen.map(({ source }) => source);
}

/** The workspace's data set, asked for where none was chosen yet. */
export async function needDataset({ datasets }: Services): Promise<string> {
  const { current } = datasets;
  if (current) return current;
  await vscode.commands.executeCommand('espalier.selectDataset', { quiet: true });
  if (!datasets.current) throw CANCELLED;
  return datasets.current;
}

/** Refuses what needs weights for a model that has none. */
export function needWeights(session: ModelSession): void {
  if (session.info && !session.info.hasWeights)
    throw new RequestError(
      'user',
      vscode.l10n.t('{0} has no weights: load a checkpoint of it first.', session.state.title),
    );
}
