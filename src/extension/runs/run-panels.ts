/** The run editor: one tab for each run. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { HostToRun, RunAction, RunCurve, RunToHost, RunView } from '../../protocol/panels.ts';
import { RUN_FILES } from '../../protocol/run-files.ts';
import { TRADE_OFF_FILE, type TradeOff } from '../../protocol/trade-off.ts';
import { parseTradeOff } from '../../protocol/trade-off-schema.ts';
import type { ModelSource, RunPoint } from '../../protocol/values.ts';
import type { Comparison } from '../compare/comparison.ts';
import { setContext } from '../context-keys.ts';
import { type CommandId, RUN_PANEL } from '../contributions.ts';
import type { Log } from '../log.ts';
import type { ModelLibrary } from '../model/model-library.ts';
import { modelKey } from '../model/model-uri.ts';
import type { Worker } from '../supervision/worker.ts';
import type { RunsView } from '../views/runs-tree.ts';
import { Panel } from '../webview-panel.ts';
import { differences } from './run-names.ts';
import { canPause, canResume, canStopAfterEpoch, kindOf, type RunRecord, settingsOf } from './run-record.ts';
import { nameOfRun, type RunService, sourcesOf } from './run-service.ts';

const ACTIONS: { readonly [A in RunAction]: CommandId } = {
  pause: 'espalier.pauseRun',
  continue: 'espalier.continueRun',
  stopAfterEpoch: 'espalier.stopRunAfterEpoch',
  stop: 'espalier.stopRun',
  resume: 'espalier.resumeRun',
  openFolder: 'espalier.openRunFolder',
  openResult: 'espalier.openRunResult',
  openReport: 'espalier.openRunResult',
  openBest: 'espalier.openRunResult',
  evaluate: 'espalier.evaluate',
};

type RunPanel = Panel<HostToRun, RunToHost>;

export interface RunPanelServices {
  readonly extension: vscode.Uri;
  readonly log: Log;
  readonly worker: Worker;
  readonly runs: RunService;
  readonly comparison: Comparison;
  readonly library: ModelLibrary;
  readonly ticks: Pick<RunsView, 'compared' | 'onDidTick'>;
}

export class RunPanels implements vscode.WebviewPanelSerializer<{ id?: string }> {
  private readonly panels = new Map<string, RunPanel>();

  constructor(private readonly services: RunPanelServices) {}

  /** `preserveFocus`: it shows itself, unasked, and leaves the keyboard where it is. */
  open(record: RunRecord, preserveFocus = false): void {
    const known = this.panels.get(record.id);
    if (known) {
      known.view.reveal(undefined, preserveFocus);
      return;
    }
    const column = { viewColumn: vscode.ViewColumn.Active, preserveFocus };
    // Kept while hidden: the curves go on, and nothing flickers when one comes back to them.
    const view = vscode.window.createWebviewPanel(RUN_PANEL, title(record), column, { retainContextWhenHidden: true });
    this.attach(view, record.id);
  }

  /** After the window was closed and opened again. */
  async deserializeWebviewPanel(view: vscode.WebviewPanel, state: { id?: string } | undefined): Promise<void> {
    const record = state?.id === undefined ? undefined : await this.services.runs.store.read(state.id);
    if (record) this.attach(view, record.id);
    else view.dispose();
  }

  /** The run whose tab is in front. */
  get active(): RunRecord | undefined {
    const [id] = [...this.panels].find(([, { view }]) => view.active) ?? [];
    return id === undefined ? undefined : this.services.runs.find(id);
  }

  private attach(view: vscode.WebviewPanel, id: string): void {
    const { extension, log, runs, ticks } = this.services;
    const panel: RunPanel = new Panel<HostToRun, RunToHost>(view, {
      extension,
      log,
      name: 'run',
      handlers: {
        ready: () => this.sendSnapshot(panel, id),
        'run/action': (action) => this.act(action, id),
        'run/takePlan': (point) => this.takePlan(id, point),
      },
    });
    this.panels.set(id, panel);
    const stop = runs.queue.listen({
      changed: async (record) => {
        if (record.id !== id) return;
        this.sendState(panel, id);
        if (kindOf(record) === 'explore') panel.send('run/tradeOff', await this.tradeOff(record));
      },
      progress: (record) => record.id === id && this.sendState(panel, id),
      points: (run, points) => run === id && panel.send('run/points', points),
      log: (run, line) => run === id && panel.send('run/log', [line]),
    });
    panel.own({ dispose: stop });
    // The dense model may be measured while its descendant is trained, or later.
    panel.own(this.services.comparison.onDidChange(() => this.sendState(panel, id)));
    panel.own(ticks.onDidTick(async () => panel.send('run/compared', await this.compared(id))));
    const noteActive = (): void =>
      setContext(
        'espalier.runActive',
        [...this.panels.values()].some((p) => p.view.active),
      );
    view.onDidChangeViewState(noteActive);
    view.onDidDispose(() => {
      this.panels.delete(id);
      noteActive();
    });
    noteActive();
  }

  private act(action: RunAction, id: string): Thenable<unknown> | undefined {
    if (!Object.hasOwn(ACTIONS, action)) return undefined;
    const { runs } = this.services;
    const record = runs.find(id);
    const output = record?.output;
    return vscode.commands.executeCommand(
      ACTIONS[action],
      action === 'evaluate' && output !== undefined ? vscode.Uri.file(output) : record,
    );
  }

  private sendState(panel: RunPanel, id: string): void {
    const record = this.services.runs.find(id);
    if (!record) return;
    panel.view.title = title(record);
    panel.send('run/state', this.viewOf(record));
  }

  private async sendSnapshot(panel: RunPanel, id: string): Promise<void> {
    const record = this.services.runs.find(id) ?? (await this.services.runs.store.read(id));
    if (!record) return;
    panel.send('run/snapshot', {
      run: this.viewOf(record),
      points: await this.history(record),
      log: await this.services.runs.queue.logOf(id),
      compared: await this.compared(id),
      tradeOff: await this.tradeOff(record),
    });
  }

  /** What an exploration has measured; null before its end, and of any other run. */
  private async tradeOff(record: RunRecord): Promise<TradeOff | null> {
    if (kindOf(record) !== 'explore' || record.state !== 'done') return null;
    const folder = this.services.runs.store.directory(record.id);
    const text = await readFile(path.join(folder, TRADE_OFF_FILE), 'utf8').catch(() => '');
    return parseTradeOff(text) ?? null;
  }

  /** Opens the model with the plan of a point of its trade-off. */
  private async takePlan(id: string, place: number): Promise<void> {
    const record = this.services.runs.find(id);
    const point = record && (await this.tradeOff(record))?.points[place];
    if (!record || !point?.plan) return;
    const file = path.join(this.services.runs.store.directory(id), point.plan);
    const [source] = sourcesOf(record.request);
    await vscode.commands.executeCommand('espalier.applyPlan', source, file);
  }

  private viewOf(record: RunRecord): RunView {
    const { request } = record;
    const [source] = sourcesOf(request);
    const epochs = request.kind === 'finetune' ? Number(request.settings.flags['epochs'] ?? 0) : 0;
    const progress = this.services.runs.queue.progressOf(record.id);
    // Training counts its steps over all epochs; loading and validation count images.
    const stepsPerEpoch = progress?.phase === 'finetune' && epochs > 0 ? progress.total / epochs : undefined;
    return {
      id: record.id,
      title: nameOfRun(record),
      state: record.state,
      subject: `${record.title} · ${record.subject}`,
      error: record.error,
      summary: record.summary,
      progress,
      hasCurves: kindOf(record) === 'finetune',
      epochs,
      stepsPerEpoch,
      referenceTop1:
        request.kind === 'finetune' && source ? this.denseTop1(source, request.settings.dataPath) : undefined,
      canPause: canPause(record),
      canStopAfterEpoch: canStopAfterEpoch(record),
      canResume: canResume(record),
      result: this.services.runs.resultOf(record)?.kind ?? 'none',
      settings: settingsOf(record),
    };
  }

  /** What the dense model reaches on the images of a run. */
  private denseTop1(source: ModelSource, dataPath: string): number | undefined {
    const { comparison, library } = this.services;
    return comparison.top1Of(modelKey(library.denseOf(source)), dataPath);
  }

  private async history(record: RunRecord): Promise<readonly RunPoint[]> {
    if (kindOf(record) !== 'finetune') return [];
    const { runs } = this.services;
    const directory = runs.store.directory(record.id);
    // Nothing on disk is the ordinary case of a run that waits; the worker need not start for that.
    const text = await readFile(path.join(runs.trainingFolder(record), RUN_FILES.metrics), 'utf8').catch(() => '');
    return text === '' ? [] : this.services.worker.request('run/history', { directory });
  }

  private async compared(id: string): Promise<readonly RunCurve[]> {
    const records = this.services.ticks.compared
      .filter((other) => other !== id)
      .flatMap((other) => this.services.runs.find(other) ?? []);
    const own = this.services.runs.find(id);
    return Promise.all(
      records.map(async (record) => ({
        id: record.id,
        title: titleBeside(record, own),
        points: await this.history(record),
      })),
    );
  }
}

const title = (record: RunRecord): string => nameOfRun(record);

/** A run in the legend of another one: its number, and what it does otherwise; everything else they share. */
function titleBeside(record: RunRecord, own: RunRecord | undefined): string {
  const differing = own ? differences(record, own) : '';
  const model = own && own.subject !== record.subject ? nameOfRun(record) : undefined;
  const short = record.name ?? (record.number === undefined ? nameOfRun(record) : `#${record.number}`);
  return [model ?? short, differing].filter((part) => part !== '').join(' · ');
}
