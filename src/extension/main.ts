/** Activation: makes the services and ties them together. Nothing is read and no process started until it is asked for. */
import { existsSync } from 'node:fs';
import * as vscode from 'vscode';
import type { RunKind } from '../protocol/values.ts';
import { registerCommands } from './command-handlers.ts';
import type { Services } from './commands/services.ts';
import { ComparePanels } from './compare/compare-panel.ts';
import { Comparison } from './compare/comparison.ts';
import { setContext, watchWalkthrough } from './context-keys.ts';
import { COMPARE_PANEL, type ContextKeys, RUN_PANEL, TASK_TYPE } from './contributions.ts';
import { Datasets } from './dataset/datasets.ts';
import { registerFinetuneLens } from './finetune-lens.ts';
import { createLog } from './log.ts';
import type { AskArchitecture } from './model/ask-architecture.ts';
import { ModelEditorProvider } from './model/model-editor.ts';
import { ModelLibrary } from './model/model-library.ts';
import { ModelSessions } from './model/model-sessions.ts';
import { registerZooFiles } from './model/zoo-files.ts';
import { RunPanels } from './runs/run-panels.ts';
import { placeOf, type RunRecord } from './runs/run-record.ts';
import { nameOfRun, RunService } from './runs/run-service.ts';
import { RunStore } from './runs/run-store.ts';
import { runWorkFor } from './runs/run-work.ts';
import { runsFolder } from './runs/runs-folder.ts';
import { StatusBar } from './status-bar.ts';
import { nodeCommand } from './supervision/node-command.ts';
import { Worker } from './supervision/worker.ts';
import { TaskProvider } from './tasks.ts';
import { GroupsTree } from './views/groups-tree.ts';
import { ModelsView } from './views/models-tree.ts';
import { RunsView } from './views/runs-tree.ts';
import { Memory } from './workspace-memory.ts';

/** What tests inside the extension host look at. */
export interface Api {
  readonly services: Services;
}

let active: Services | undefined;

const STEPS: { readonly [K in RunKind]?: keyof ContextKeys } = {
  score: 'espalier.didScore',
  prune: 'espalier.didPrune',
  finetune: 'espalier.didFinetune',
  evaluate: 'espalier.didEvaluate',
};

export function activate(context: vscode.ExtensionContext): Api {
  const services = createServices(context);
  active = services;
  const { editors, runPanels, comparePanels, runs } = services;
  // Runs that went on while no window was open.
  if (existsSync(runs.store.folder)) void runs.load();
  context.subscriptions.push(
    registerCommands(services),
    editors.register(),
    registerZooFiles(),
    registerFinetuneLens(),
    watchWalkthrough(),
    vscode.window.registerWebviewPanelSerializer(RUN_PANEL, runPanels),
    vscode.window.registerWebviewPanelSerializer(COMPARE_PANEL, comparePanels),
    vscode.tasks.registerTaskProvider(TASK_TYPE, new TaskProvider(context.extensionUri)),
    vscode.workspace.onDidGrantWorkspaceTrust(() => refreshSessions(services)),
    services.datasets.onDidChange(() => refreshSessions(services)),
  );
  return { services };
}

function createServices(context: vscode.ExtensionContext): Services {
  const extension = context.extensionUri;
  const log = createLog();
  const memory = new Memory(context.workspaceState);
  const worker = new Worker(context, log);
  const library = new ModelLibrary(memory);
  const comparison = new Comparison(memory, library);
  const sessions = new ModelSessions({
    worker,
    memory,
    ask: askArchitecture,
    onOpened: (info) => void library.add(info),
  });
  const store = new RunStore(runsFolder(context));
  const execute = runWorkFor({
    worker,
    sessions,
    library,
    comparison,
    store,
    runCommand: () => nodeCommand(context, 'run.cjs'),
    onPoints: (id, points) => runs.notePoints(id, points),
  });
  const runs: RunService = new RunService({ store, worker, sessions, execute, log });
  const runsView = new RunsView(runs);
  const datasets = new Datasets(extension, worker, memory, log);
  const services: Services = {
    context,
    log,
    memory,
    worker,
    sessions,
    library,
    editors: new ModelEditorProvider(extension, sessions, log, memory),
    comparison,
    datasets,
    runs,
    runPanels: new RunPanels({ extension, log, worker, runs, comparison, library, ticks: runsView }),
    comparePanels: new ComparePanels({ extension, log, worker, comparison }),
    status: new StatusBar(runs, worker, memory),
    modelsView: new ModelsView(library, comparison, sessions),
    groupsTree: new GroupsTree(sessions),
    runsView,
  };
  context.subscriptions.push(
    log,
    worker,
    sessions,
    library,
    comparison,
    datasets,
    runs,
    services.status,
    services.modelsView,
    services.groupsTree,
    runsView,
    runs.onDidEnd((record) => {
      if (record.state === 'done') void offerResult(services, record);
    }),
    runs.onDidChange(() => tickSteps(runs)),
  );
  return services;
}

/** Closing the list is an answer here: the model stays unread. */
const askArchitecture: AskArchitecture = async (question, choices) => {
  const picks = choices.map(({ id, label, detail }) => ({ label, description: detail, id }));
  return (await vscode.window.showQuickPick(picks, { placeHolder: question, ignoreFocusOut: true }))?.id;
};

function refreshSessions({ sessions }: Services): void {
  for (const session of sessions.all) session.refreshConditions();
}

/** Steps of the walkthrough that were done: by the runs that have ended, of earlier windows too. */
function tickSteps(runs: RunService): void {
  for (const { state, request } of runs.all) {
    const step = state === 'done' ? STEPS[request.kind] : undefined;
    if (step) setContext(step, true);
  }
}

/** What a finished run leads to. */
async function offerResult(services: Services, record: RunRecord): Promise<void> {
  const { kind } = record.request;
  if (kind === 'evaluate') {
    services.comparePanels.open(true);
    return;
  }
  if (kind === 'explore') {
    // It took minutes: what the person reads or writes by now stays in front.
    const open = vscode.l10n.t('Open Report');
    const chosen = await vscode.window.showInformationMessage(`${nameOfRun(record)}: ${record.summary}`, open);
    if (chosen === open) await vscode.commands.executeCommand('espalier.openRunResult', record);
    return;
  }
  if (kind === 'prune') {
    services.editors.activeEditor?.command('showSplit');
    const finetune = vscode.l10n.t('Finetune…');
    const chosen = await vscode.window.showInformationMessage(
      vscode.l10n.t('Saved {0} ({1}).', vscode.workspace.asRelativePath(record.output ?? ''), record.summary ?? ''),
      finetune,
    );
    if (chosen === finetune && record.output)
      await vscode.commands.executeCommand('espalier.finetune', vscode.Uri.file(record.output));
    return;
  }
  if (placeOf(record)?.onlyWrite) {
    await offerWritten(record);
    return;
  }
  if (kind === 'finetune') {
    const evaluate = vscode.l10n.t('Evaluate…');
    const open = vscode.l10n.t('Open');
    const chosen = await vscode.window.showInformationMessage(
      `${nameOfRun(record)}: ${record.summary}`,
      evaluate,
      open,
    );
    if (chosen === evaluate && record.output)
      await vscode.commands.executeCommand('espalier.evaluate', vscode.Uri.file(record.output));
    else if (chosen === open) await vscode.commands.executeCommand('espalier.openRunResult', record);
    return;
  }
  if (kind === 'export' && record.output) await offerExported(record.output);
}

/** Of a job that the person starts: its folder. */
async function offerWritten(record: RunRecord): Promise<void> {
  const open = vscode.l10n.t('Open Folder');
  const chosen = await vscode.window.showInformationMessage(`${nameOfRun(record)}: ${record.summary}`, open);
  if (chosen === open) await vscode.commands.executeCommand('espalier.openRunFolder', record);
}

/** One notification for a file that was written, with the two things that a person does with it. */
async function offerExported(file: string): Promise<void> {
  const [reveal, open] = [vscode.l10n.t('Reveal'), vscode.l10n.t('Open')];
  const chosen = await vscode.window.showInformationMessage(
    vscode.l10n.t('Saved {0}.', vscode.workspace.asRelativePath(file)),
    reveal,
    open,
  );
  const uri = vscode.Uri.file(file);
  if (chosen === reveal)
    await vscode.commands.executeCommand(
      vscode.workspace.getWorkspaceFolder(uri) ? 'revealInExplorer' : 'revealFileInOS',
      uri,
    );
  else if (chosen === open) await vscode.commands.executeCommand('vscode.open', uri);
}

/** VS Code waits for this when the window closes: runs are marked so that they can be taken up, and the worker ends. */
export async function deactivate(): Promise<void> {
  await active?.runs.queue.interruptAll();
  await active?.worker.supervisor.dispose();
  active = undefined;
}
