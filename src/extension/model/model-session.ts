/** The host's truth about one opened model: what it is, its scores, settings and plan, and what is selected. */
import * as vscode from 'vscode';
import { phaseWords } from '../../common/progress.ts';
import type { GraphEditorState, GraphEditorTask } from '../../protocol/graph-editor.ts';
import type { PlanView, ScoresView, SensitivityView } from '../../protocol/graph-view.ts';
import type { PlanRequest } from '../../protocol/messages.ts';
import type { ModelInfo, ModelSource, Pin, PlanSettings, ScoreSettings } from '../../protocol/values.ts';
import { RequestError } from '../supervision/request-error.ts';
import type { Worker } from '../supervision/worker.ts';
import type { Memory } from '../workspace-memory.ts';
import type { AskArchitecture } from './ask-architecture.ts';
import { Latest } from './latest.ts';
import { modelKey } from './model-uri.ts';
import { changedPins } from './pins.ts';
import type { Selection, SelectionChange } from './selected-nodes.ts';
import { cachedScores, cachedSensitivity, changedText, changesBy, nodeDetails, whyNotRun } from './session-requests.ts';
import { SessionTarget, withoutGiven } from './session-target.ts';
import { SessionTimes } from './session-times.ts';
import { unreadModel } from './unread-model.ts';

export interface SessionServices {
  readonly worker: Worker;
  readonly memory: Memory;
  readonly ask: AskArchitecture;
  readonly onOpened: (info: ModelInfo) => void;
}

const REMEMBER_AFTER_MS = 400;

/** What needs no images: how large a channel's weights are. */
const WEIGHT_SCORES: ScoreSettings = { criterion: 'l1', batches: 0, batchSize: 0, seed: 0 };

export class ModelSession implements vscode.Disposable {
  readonly key: string;
  readonly target: SessionTarget;
  readonly times: SessionTimes;
  info: ModelInfo | undefined;
  selection: Selection = { nodes: [], scope: null };
  private sourceNow: ModelSource;
  private stateNow: GraphEditorState;
  private scoreSettings: ScoreSettings | null = null;
  private opening: Promise<void> | undefined;
  private rememberTimer: NodeJS.Timeout | undefined;
  private readonly plans = new Latest<PlanView>();
  private readonly changes = new vscode.EventEmitter<Partial<GraphEditorState>>();
  private readonly selections = new vscode.EventEmitter<SelectionChange>();
  readonly onDidChange = this.changes.event;
  readonly onDidSelect = this.selections.event;

  constructor(
    source: ModelSource,
    private readonly services: SessionServices,
  ) {
    this.key = modelKey(source);
    const remembered = services.memory.ofModel(this.key);
    this.sourceNow =
      source.kind === 'file' && remembered.architecture ? { ...source, architecture: remembered.architecture } : source;
    this.stateNow = unreadModel(source, services.memory);
    this.target = new SessionTarget(this);
    this.times = new SessionTimes(this, services, (change) => this.change(change));
  }

  get source(): ModelSource {
    return this.sourceNow;
  }

  get state(): GraphEditorState {
    return this.stateNow;
  }

  /** Scores that plans rest on; null while nothing was scored. */
  get scores(): ScoreSettings | null {
    return this.scoreSettings;
  }

  /** Reads the model, once; `again`: whatever was read before. */
  open(again = false): Promise<void> {
    if (again || (this.stateNow.phase === 'failed' && this.opening === undefined)) this.opening = undefined;
    this.opening ??= this.read().catch((error: unknown) => {
      this.opening = undefined;
      this.change({ phase: 'failed', message: error instanceof Error ? error.message : String(error), task: null });
    });
    return this.opening;
  }

  private async read(): Promise<void> {
    this.change({ phase: 'loading', message: vscode.l10n.t('Reading {0}…', this.stateNow.title), task: null });
    const { worker, ask } = this.services;
    const opened = await worker.request(
      'model/open',
      { source: this.sourceNow },
      { onProgress: (progress) => this.change({ message: progress.message ?? phaseWords(progress.phase) }) },
    );
    if (opened.kind === 'ambiguous') {
      const architecture = await ask(opened.question, opened.choices);
      if (architecture === undefined) throw new RequestError('user', opened.question);
      this.sourceNow = { ...(this.sourceNow as Extract<ModelSource, { kind: 'file' }>), architecture };
      await this.services.memory.updateModel(this.key, { architecture });
      return this.read();
    }
    this.info = opened.model;
    this.services.onOpened(opened.model);
    this.change({
      phase: 'ready',
      message: opened.model.notes.join(' · '),
      view: opened.graph,
      groups: opened.groups,
      cannotRun: whyNotRun(this.info),
    });
    await this.restore();
  }

  /** Scores, range, plan and pruned model as they were when it was last open. */
  private async restore(): Promise<void> {
    const { scores, sensitivity, targetSet, macs, times, pruned, prunedFor } = this.services.memory.ofModel(this.key);
    if (!scores || !(await this.takeScores(scores))) await this.scoreByWeights();
    const measured = await cachedSensitivity(this.services.worker, this.sourceNow, this.scoreSettings, sensitivity);
    if (measured) this.change({ sensitivity: measured });
    else this.forgetSensitivity();
    // What the target came to, should its times not hold any more.
    const isTimed = this.stateNow.settings.target.kind === 'ms';
    if (isTimed && targetSet && macs) this.change({ target: macs });
    if (isTimed || times !== undefined) await this.times.renew(times);
    await this.updateRange();
    if (targetSet) await this.computePlan().catch(() => undefined);
    if (pruned) await this.showPruned(pruned, prunedFor).catch(() => undefined);
  }

  /** Scores that the worker has, or can make without images; false where there are none. */
  private async takeScores(settings: ScoreSettings): Promise<boolean> {
    const view = await cachedScores(this.services.worker, this.sourceNow, settings);
    if (!view) return false;
    this.scoreSettings = settings;
    this.change({ scores: view });
    return true;
  }

  /** Takes over what a run has measured, where the channels' order is still that; `spread`: plans are spread by it from then on. */
  async applySensitivity(scores: ScoreSettings, view: SensitivityView, spread: boolean): Promise<void> {
    if (JSON.stringify(scores) !== JSON.stringify(this.scoreSettings)) return;
    this.change({ sensitivity: view });
    await this.services.memory.updateModel(this.key, { sensitivity: view.settings });
    // What was spread by other images is spread by these.
    if (spread || this.stateNow.settings.spread) await this.changeSettings({ spread: view.settings });
  }

  /** Other scores, another order: what was measured of the one before does not count. */
  private forgetSensitivity(): void {
    this.change({ sensitivity: null, settings: { ...this.stateNow.settings, spread: undefined } });
  }

  /** Scores by the weights alone, without images: a model can be pruned as soon as it is open. A run's scores take their place. */
  async scoreByWeights(): Promise<void> {
    if (whyNotRun(this.info) === '') await this.takeScores(WEIGHT_SCORES);
  }

  /** Trust was granted, or another data set was chosen. */
  refreshConditions(): void {
    this.change({ cannotRun: whyNotRun(this.info), dataset: this.services.memory.get('dataset') });
    if (this.stateNow.phase === 'ready' && !this.scoreSettings) void this.scoreByWeights();
  }

  private change(change: Partial<GraphEditorState>): void {
    this.stateNow = { ...this.stateNow, ...change };
    this.changes.fire(change);
  }

  setTask(task: GraphEditorTask | null): void {
    this.change({ task });
  }

  /** Takes over the scores of a run that has ended. */
  async applyScores(settings: ScoreSettings, view: ScoresView): Promise<void> {
    const [change] = this.stateNow.plan ? await changesBy(this.services.worker, this.planRequest(), [settings]) : [];
    this.scoreSettings = settings;
    this.forgetSensitivity();
    this.change({ scores: view, planStale: this.stateNow.plan !== null });
    if (change) this.change({ message: changedText(view.label, change) });
    await this.services.memory.updateModel(this.key, { scores: settings });
    await this.updateRange();
    if (this.stateNow.target !== null) await this.computePlan().catch(() => undefined);
  }

  /** Changes settings and plans anew where there is a target. Rejects with the reason when there is no such plan. */
  async changeSettings(change: Partial<PlanSettings>, macs?: number): Promise<PlanView | undefined> {
    const target = macs ?? this.stateNow.target;
    const settings = { ...withoutGiven(this.stateNow.settings, target), ...change };
    const changed = { settings, target, planStale: this.stateNow.plan !== null };
    this.remember();
    if (macs === undefined) {
      this.change(changed);
      const { latency } = this.stateNow;
      if (latency && latency.roundTo !== settings.roundTo) await this.times.renew();
      await this.updateRange();
      return target === null ? undefined : this.computePlan();
    }
    // A slider is followed: settings and plan are told together, so that everything is drawn once. Whoever asked knows the target.
    this.stateNow = { ...this.stateNow, ...changed };
    return this.computePlan().catch((error: unknown) => {
      const { settings, target, planStale } = this.stateNow;
      this.change({ settings, target, planStale });
      throw error;
    });
  }

  /** Pins or frees one side of a layer. */
  pin(layer: string, side: Pin['side'], pinned: boolean): Promise<PlanView | undefined> {
    return this.changeSettings({ pins: changedPins(this.stateNow.settings.pins, layer, side, pinned) });
  }

  /** What its plan is made of. */
  planRequest(): PlanRequest {
    const { settings: plan, latency } = this.stateNow;
    return { source: this.sourceNow, scores: this.scoreSettings, plan, ...(latency && { times: latency.key }) };
  }

  /** The plan of the present settings; undefined when a newer one was asked for meanwhile. */
  async computePlan(again = false): Promise<PlanView | undefined> {
    try {
      const plan = await this.plans.run(() => this.services.worker.request('plan/compute', this.planRequest()));
      if (plan) {
        this.change({
          plan,
          target: plan.target,
          planStale: false,
          range: plan.range,
          settings: this.stateNow.settings,
        });
        if (plan.time) this.remember();
      }
      return plan;
    } catch (error) {
      if (error instanceof RequestError && error.kind === 'scoresMissing') return this.withoutScores();
      if (!(error instanceof RequestError) || error.kind !== 'timesMissing') throw error;
      await (again ? this.times.forget() : this.times.renew());
      return this.computePlan(true);
    }
  }

  /** The worker that had the scores is gone: the plan rests on the weights until channels are scored again. */
  private async withoutScores(): Promise<PlanView | undefined> {
    this.scoreSettings = null;
    this.forgetSensitivity();
    this.change({ scores: null });
    await this.scoreByWeights();
    return this.computePlan();
  }

  private async updateRange(): Promise<void> {
    const range = await this.services.worker.request('plan/range', this.planRequest()).catch(() => null);
    this.change({ range });
  }

  /** The plan as files have it. */
  async exportPlan(): Promise<{ readonly json: string; readonly text: string }> {
    return this.services.worker.request('plan/export', this.planRequest());
  }

  /** Statistics of a layer's parameters, or why there are none. */
  details(node: string): ReturnType<typeof nodeDetails> {
    return nodeDetails(this.services.worker, this.sourceNow, node);
  }

  /** Loads the model that Prune wrote, for the split view. `planned`: MACs of the plan that it was written for. */
  async showPruned(file: string, planned?: number): Promise<void> {
    const opened = await this.services.worker.request('model/open', { source: { kind: 'file', path: file } });
    if (opened.kind !== 'model') return;
    this.services.onOpened(opened.model);
    this.change({ pruned: opened.graph, prunedFor: planned ?? null });
    await this.services.memory.updateModel(this.key, { pruned: file, prunedFor: planned });
  }

  get prunedFile(): string | undefined {
    return this.stateNow.pruned ? this.services.memory.ofModel(this.key).pruned : undefined;
  }

  select(selection: Selection, origin: unknown, reveal = false): void {
    this.selection = selection;
    this.selections.fire({ ...selection, origin, reveal });
  }

  private remember(): void {
    clearTimeout(this.rememberTimer);
    this.rememberTimer = setTimeout(() => {
      const { settings, target } = this.stateNow;
      void this.services.memory.updateModel(this.key, {
        plan: settings,
        targetSet: target !== null,
        ...(target !== null && { macs: target }),
      });
    }, REMEMBER_AFTER_MS);
  }

  dispose(): void {
    clearTimeout(this.rememberTimer);
    this.changes.dispose();
    this.selections.dispose();
  }
}
