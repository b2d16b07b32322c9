/** Runs as the person meets them: started from commands, watched everywhere, told about when they end. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { formatInteger, formatPercent } from '../../common/format.ts';
import type { GraphEditorTask } from '../../protocol/graph-editor.ts';
import { RUN_FILES } from '../../protocol/run-files.ts';
import type { ModelSource, ProgressReport, RunKind, RunPoint } from '../../protocol/values.ts';
import type { Log } from '../log.ts';
import type { ModelSessions } from '../model/model-sessions.ts';
import { modelTitle } from '../model/model-uri.ts';
import { RequestError } from '../supervision/request-error.ts';
import type { Worker } from '../supervision/worker.ts';
import { runName } from './run-names.ts';
import { directRun } from './run-process.ts';
import { RunQueue, type RunWork } from './run-queue.ts';
import {
  canResume,
  ENDED,
  goesOn,
  isUnattended,
  kindOf,
  placeOf,
  type RunRecord,
  type RunRequest,
  runId,
} from './run-record.ts';
import type { RunStore } from './run-store.ts';

/** What a kind of run is called while it goes. */
const RUN_TITLES: { readonly [K in RunKind]: () => string } = {
  score: () => vscode.l10n.t('Scoring channels'),
  sensitivity: () => vscode.l10n.t('Measuring sensitivity'),
  latency: () => vscode.l10n.t('Measuring latency'),
  prune: () => vscode.l10n.t('Pruning'),
  explore: () => vscode.l10n.t('Exploring the trade-off'),
  finetune: () => vscode.l10n.t('Finetuning'),
  evaluate: () => vscode.l10n.t('Evaluating'),
  export: () => vscode.l10n.t('Exporting'),
  install: () => vscode.l10n.t('Installing TensorFlow'),
};

const PROGRESS_INTERVAL_MS = 400;
/** A finetuning run's best epoch, in its folder; written whole whenever one is better. */
const BEST_CHECKPOINT = 'best.safetensors';

export interface RunServiceOptions {
  readonly store: RunStore;
  readonly worker: Worker;
  readonly sessions: ModelSessions;
  readonly execute: RunWork;
  readonly log: Log;
}

export class RunService implements vscode.Disposable {
  readonly queue: RunQueue;
  readonly store: RunStore;
  private records = new Map<string, RunRecord>();
  /** Runs of this window, by their folders. */
  private readonly started = new Set<string>();
  private readonly changes = new vscode.EventEmitter<RunRecord | undefined>();
  /** A run changed, or (undefined) the list did. */
  readonly onDidChange = this.changes.event;
  private readonly ends = new vscode.EventEmitter<RunRecord>();
  readonly onDidEnd = this.ends.event;
  private watcher: vscode.FileSystemWatcher | undefined;
  private toldAt = 0;
  /** Kept beside what is on disk: two runs may be asked for at once. */
  private lastNumber = 0;

  constructor(private readonly options: RunServiceOptions) {
    this.store = options.store;
    this.queue = new RunQueue(options.store, options.execute);
    this.queue.listen({
      changed: (record) => this.note(record),
      progress: (record, report) => {
        this.showTask(record, report);
        this.tellProgress(record);
      },
      ended: (record, error) => void this.tellEnd(record, error),
      log: (id, line) => options.log.info(`${id}: ${line}`),
    });
  }

  /**
   * Reads the runs of earlier windows, and follows those of others. A run that went on without a window gets this one; one that was
   * broken off with its window is offered to be taken up, once.
   */
  async load(): Promise<void> {
    const found = await this.store.list();
    const first = this.watcher === undefined;
    this.records = new Map(found.map((record) => [record.id, this.queue.find(record.id) ?? record]));
    this.changes.fire(undefined);
    this.watcher ??= this.watch();
    for (const record of found) if (!ENDED.has(record.state) && isUnattended(record)) this.queue.adopt(record);
    const broken = found.find((record) => record.state === 'interrupted' && goesOn(record) && !record.ended);
    if (first && broken) void this.offerResume(broken);
  }

  /** Its process died while no window was there to see it. */
  private async offerResume(record: RunRecord): Promise<void> {
    await this.store.write({ ...record, ended: new Date().toISOString() });
    const resume = vscode.l10n.t('Resume');
    const chosen = await vscode.window.showWarningMessage(
      vscode.l10n.t('{0} was interrupted: {1}', record.title, nameOfRun(record)),
      resume,
    );
    if (chosen === resume) await this.resume(record);
  }

  /** New points of a run's curves. */
  readonly notePoints = (id: string, points: readonly RunPoint[]): void => {
    this.queue.points(id, points);
    for (const point of points) if (point.kind === 'epoch') this.queue.log(id, epochLine(point));
    const best = Math.max(...points.map(({ top1 }) => top1 ?? 0), this.find(id)?.top1 ?? 0);
    if (best > (this.find(id)?.top1 ?? 0)) void this.queue.note(id, { top1: best });
  };

  /** Calls a run by another name; '' gives it back its own. */
  async rename(record: RunRecord, name: string): Promise<void> {
    const change = { name: name.trim() || undefined };
    if (await this.queue.note(record.id, change)) return;
    const fresh = (await this.store.read(record.id)) ?? record;
    if (!ENDED.has(fresh.state))
      throw new RequestError('user', vscode.l10n.t('{0} runs in another window: rename it there.', nameOfRun(fresh)));
    const renamed = { ...fresh, ...change };
    await this.store.write(renamed);
    this.note(renamed);
  }

  /** The model that a run has written, or, before its end, its best one so far. */
  resultOf(record: RunRecord): { readonly file: string; readonly kind: 'model' | 'report' | 'best' } | undefined {
    if (record.output !== undefined)
      return { file: record.output, kind: kindOf(record) === 'explore' ? 'report' : 'model' };
    if (kindOf(record) !== 'finetune') return undefined;
    const best = path.join(this.trainingFolder(record), BEST_CHECKPOINT);
    return existsSync(best) ? { file: best, kind: 'best' } : undefined;
  }

  /** Where a finetuning run writes metrics and checkpoints: its folder, or that of its job in it. */
  trainingFolder(record: RunRecord): string {
    const folder = this.store.directory(record.id);
    return placeOf(record) ? path.join(folder, RUN_FILES.job) : folder;
  }

  private watch(): vscode.FileSystemWatcher {
    const watcher = vscode.workspace.createFileSystemWatcher(
      new vscode.RelativePattern(vscode.Uri.file(this.store.folder), '*/job.json'),
    );
    const reread = async (uri: vscode.Uri): Promise<void> => {
      const id = path.basename(path.dirname(uri.fsPath));
      if (this.queue.find(id)) return;
      const record = await this.store.read(id);
      if (record) this.note(record);
    };
    watcher.onDidCreate(reread);
    watcher.onDidChange(reread);
    watcher.onDidDelete((uri) => {
      const id = path.basename(path.dirname(uri.fsPath));
      if (!this.queue.find(id) && this.records.delete(id)) this.changes.fire(undefined);
    });
    return watcher;
  }

  /** Newest first. */
  get all(): readonly RunRecord[] {
    return [...this.records.values()].sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0));
  }

  find(id: string): RunRecord | undefined {
    return this.records.get(id);
  }

  /** Puts a new run into the queue; `id`: its folder, when it was made before. */
  async start(request: RunRequest, subject: string, id?: string): Promise<RunRecord> {
    const time = new Date();
    const name = id ?? (await this.store.freeId(runId(request.kind, nameOf(request), time)));
    this.started.add(name);
    const known = [...(await this.store.list()), ...this.records.values()];
    this.lastNumber = 1 + Math.max(this.lastNumber, ...known.map(({ number }) => number ?? 0));
    return this.queue.enqueue({
      id: name,
      number: this.lastNumber,
      title: RUN_TITLES[request.kind](),
      subject,
      state: 'queued',
      request,
      created: time.toISOString(),
    });
  }

  /** Takes up a run that was interrupted, stopped or failed. */
  async resume(record: RunRecord): Promise<void> {
    const fresh = (await this.store.read(record.id)) ?? record;
    const { request } = fresh;
    // A record may have come with the repository: only what this window started may write anywhere.
    const isOwn = this.started.has(record.id);
    const place = isOwn || !('output' in request) ? 'own' : this.store.mayWrite(fresh.id, request.output);
    if (!canResume(fresh) || place === 'never')
      throw new RequestError(
        'user',
        vscode.l10n.t('{0} is {1}: there is nothing to resume.', fresh.title, fresh.state),
      );
    const link = await this.store.linkIn(fresh.id).catch(() => undefined);
    if (link !== undefined)
      throw new RequestError('user', vscode.l10n.t('{0} is a link out of the run’s folder: remove it first.', link));
    // What it wrote before it ended is its own to write again.
    const again = 'overwrite' in request ? { ...fresh, request: { ...request, overwrite: place === 'own' } } : fresh;
    await this.queue.enqueue(again, true);
  }

  async pause(record: RunRecord): Promise<void> {
    await directRun(this.store.directory(record.id), 'pause');
    await this.queue.mark(record.id, 'paused');
  }

  async continue(record: RunRecord): Promise<void> {
    await directRun(this.store.directory(record.id), 'continue');
    await this.queue.mark(record.id, 'running');
  }

  async stopAfterEpoch(record: RunRecord): Promise<void> {
    await directRun(this.store.directory(record.id), 'stopAfterEpoch');
    if (record.state === 'paused') await this.queue.mark(record.id, 'running');
  }

  stop(record: RunRecord): void {
    if (!this.queue.find(record.id))
      throw new RequestError('user', vscode.l10n.t('{0} runs in another window: stop it there.', record.title));
    this.queue.stop(record.id);
  }

  async remove(record: RunRecord): Promise<void> {
    this.queue.forget(record.id);
    await this.store.remove(record.id);
    this.records.delete(record.id);
    this.changes.fire(undefined);
  }

  private note(record: RunRecord): void {
    const isNew = !this.records.has(record.id);
    this.records.set(record.id, record);
    this.changes.fire(isNew ? undefined : record);
  }

  /** Views need not be drawn as often as a run reports. */
  private tellProgress(record: RunRecord): void {
    const now = Date.now();
    if (now - this.toldAt < PROGRESS_INTERVAL_MS) return;
    this.toldAt = now;
    this.changes.fire(record);
  }

  private showTask(record: RunRecord, progress: ProgressReport): void {
    const task: GraphEditorTask = { title: record.title, progress, cancellable: true };
    for (const source of sourcesOf(record.request)) this.options.sessions.find(source)?.setTask(task);
  }

  private async tellEnd(record: RunRecord, error: unknown): Promise<void> {
    for (const source of sourcesOf(record.request)) this.options.sessions.find(source)?.setTask(null);
    this.ends.fire(record);
    if (record.state === 'done' || record.state === 'cancelled') return;
    const resume = goesOn(record) ? vscode.l10n.t('Resume') : vscode.l10n.t('Try Again');
    const what =
      record.state === 'interrupted'
        ? vscode.l10n.t('{0} was interrupted', record.title)
        : vscode.l10n.t('{0} failed', record.title);
    await this.options.worker.report(error, { title: resume, run: () => this.resume(record) }, what);
  }

  dispose(): void {
    this.watcher?.dispose();
    this.changes.dispose();
    this.ends.dispose();
  }
}

/** A run's name, in the person's language. */
export const nameOfRun = (record: RunRecord): string =>
  runName(record, {
    epochs: (count) => (count === 1 ? vscode.l10n.t('1 epoch') : vscode.l10n.t('{0} epochs', count)),
  });

/** `epoch 3: training loss 0.208, validation top-1 94.2 % on 1,000 images`. */
function epochLine({ epoch, loss, top1, images }: RunPoint): string {
  const parts = [
    loss === undefined ? '' : `training loss ${loss.toPrecision(3)}`,
    top1 === undefined
      ? ''
      : `validation top-1 ${formatPercent(top1, 1)}${images ? ` on ${formatInteger(images)} images` : ''}`,
  ];
  return `epoch ${epoch + 1}: ${parts.filter((part) => part !== '').join(', ')}`;
}

export function sourcesOf(request: RunRequest): readonly ModelSource[] {
  if (request.kind === 'install') return [];
  return request.kind === 'evaluate' ? request.sources : [request.source];
}

const nameOf = (request: RunRequest): string => {
  const [source] = sourcesOf(request);
  return source ? modelTitle(source) : 'runtime';
};
