/**
 * The queue of runs: one at a time, in the order in which they were asked for.
 *
 * Knows nothing of VS Code or of what a run does: it keeps states, hands progress on, and turns what the work throws
 * into the state that the run ends in.
 */
import { phaseWords } from '../../common/progress.ts';
import type { ProgressReport, RunPoint, RunState } from '../../protocol/values.ts';
import { isCancelled, isWorkerLost } from '../supervision/request-error.ts';
import { ENDED, isAside, type RunOwner, type RunRecord, thisOwner } from './run-record.ts';
import type { RunStore } from './run-store.ts';

export interface RunOutcome {
  readonly summary: string;
  /** Best top-1 of a finetuning, 0 to 1. */
  readonly top1?: number;
  readonly output?: string;
  /** It ended in order, but before its end: it can be taken up. */
  readonly stoppedEarly?: boolean;
}

export interface Execution {
  readonly signal: AbortSignal;
  readonly resume: boolean;
  /** It goes already, in this process of its own: it is only to be followed. */
  readonly following?: RunOwner;
  readonly onProgress: (report: ProgressReport) => void;
  /** Says that it goes in a process of its own from now on, which outlives the window. */
  readonly runsIn: (owner: RunOwner) => Promise<void>;
  readonly log: (line: string) => void;
}

export type RunWork = (record: RunRecord, execution: Execution) => Promise<RunOutcome>;

export interface RunListener {
  /** A run is new, or its state or result changed. */
  changed?(record: RunRecord): void;
  progress?(record: RunRecord, report: ProgressReport): void;
  points?(id: string, points: readonly RunPoint[]): void;
  log?(id: string, line: string): void;
  /** It ended now, in this window. */
  ended?(record: RunRecord, error?: unknown): void;
}

const KEPT_LOG_LINES = 500;

interface Live {
  record: RunRecord;
  resume: boolean;
  following?: RunOwner;
  progress?: ProgressReport;
  readonly log: string[];
  readonly controller: AbortController;
}

export class RunQueue {
  private readonly live = new Map<string, Live>();
  private readonly waiting: string[] = [];
  private readonly listeners = new Set<RunListener>();
  private working = false;

  constructor(
    private readonly store: RunStore,
    private readonly execute: RunWork,
    private readonly now: () => Date = () => new Date(),
  ) {}

  listen(listener: RunListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The run under way in this window. */
  get current(): RunRecord | undefined {
    return [...this.live.values()].find(({ record }) => record.state === 'running' || record.state === 'paused')
      ?.record;
  }

  get queued(): readonly RunRecord[] {
    return this.waiting.flatMap((id) => this.live.get(id)?.record ?? []);
  }

  find(id: string): RunRecord | undefined {
    return this.live.get(id)?.record;
  }

  progressOf(id: string): ProgressReport | undefined {
    return this.live.get(id)?.progress;
  }

  /** What a run has said, in this window or before. */
  async logOf(id: string): Promise<readonly string[]> {
    return (await this.store.log(id)).slice(-KEPT_LOG_LINES);
  }

  /** Puts a run at the end of the queue; `resume`: takes up what it left. */
  async enqueue(record: RunRecord, resume = false): Promise<RunRecord> {
    const queued: RunRecord = {
      ...record,
      state: 'queued',
      owner: thisOwner(),
      window: undefined,
      error: undefined,
      ended: undefined,
    };
    this.live.set(record.id, { record: queued, resume, log: [], controller: new AbortController() });
    if (!isAside(queued)) this.waiting.push(record.id);
    await this.store.write(queued);
    this.emit((listener) => listener.changed?.(queued));
    this.begin(queued);
    return queued;
  }

  /** Follows a run that goes in a process of its own and lost its window; others wait for its end. */
  adopt(record: RunRecord): void {
    if (this.live.has(record.id)) return;
    this.live.set(record.id, {
      record,
      resume: false,
      following: record.owner,
      log: [],
      controller: new AbortController(),
    });
    if (!isAside(record)) this.waiting.unshift(record.id);
    this.begin(record);
  }

  /** What another machine computes goes beside everything else; the rest waits for its turn. */
  private begin(record: RunRecord): void {
    const live = this.live.get(record.id);
    if (live && isAside(record)) void this.runOne(live);
    else void this.work();
  }

  /** Stops a run that goes, or takes one out of the queue. */
  stop(id: string): void {
    const live = this.live.get(id);
    if (!live || ENDED.has(live.record.state)) return;
    live.controller.abort();
    const place = this.waiting.indexOf(id);
    if (place < 0) return;
    this.waiting.splice(place, 1);
    void this.finish(live, 'cancelled');
  }

  /** Pausing and continuing happen in the worker; this is their mark. */
  async mark(id: string, state: Extract<RunState, 'running' | 'paused'>): Promise<void> {
    const live = this.live.get(id);
    if (live && !ENDED.has(live.record.state)) await this.update(live, { state });
  }

  /** Gives a run another name, or its best accuracy so far; false when this window does not have it. */
  async note(id: string, change: Pick<Partial<RunRecord>, 'name' | 'top1'>): Promise<boolean> {
    const live = this.live.get(id);
    if (live) await this.update(live, change);
    return live !== undefined;
  }

  points(id: string, points: readonly RunPoint[]): void {
    this.emit((listener) => listener.points?.(id, points));
  }

  log(id: string, line: string): void {
    const live = this.live.get(id);
    if (!live) return;
    live.log.push(line);
    live.log.splice(0, live.log.length - KEPT_LOG_LINES);
    void this.store.appendLog(id, line);
    this.emit((listener) => listener.log?.(id, line));
  }

  forget(id: string): void {
    if (ENDED.has(this.live.get(id)?.record.state ?? 'done')) this.live.delete(id);
  }

  /** The window closes: what goes in it and what waits is marked, so that it can be taken up. What has a process of its own goes on. */
  async interruptAll(): Promise<void> {
    this.waiting.splice(0);
    for (const live of this.live.values()) {
      if (ENDED.has(live.record.state) || live.record.window) continue;
      live.record = { ...live.record, state: 'interrupted', owner: undefined, ended: this.now().toISOString() };
      await this.store.write(live.record);
    }
  }

  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    for (let id = this.waiting.shift(); id !== undefined; id = this.waiting.shift()) {
      const live = this.live.get(id);
      if (live) await this.runOne(live);
    }
    this.working = false;
  }

  private async runOne(live: Live): Promise<void> {
    try {
      await this.update(
        live,
        live.following ? { window: thisOwner() } : { state: 'running', started: this.now().toISOString() },
      );
      const outcome = await this.execute(live.record, {
        signal: live.controller.signal,
        resume: live.resume,
        following: live.following,
        runsIn: (owner) => this.update(live, { owner, window: thisOwner() }),
        onProgress: (report) => {
          if (report.phase !== live.progress?.phase) this.log(live.record.id, phaseWords(report.phase));
          live.progress = report;
          this.emit((listener) => listener.progress?.(live.record, report));
        },
        log: (line) => this.log(live.record.id, line),
      });
      await this.finish(live, outcome.stoppedEarly ? 'cancelled' : 'done', outcome);
    } catch (error) {
      const state = isCancelled(error) ? 'cancelled' : isWorkerLost(error) ? 'interrupted' : 'failed';
      const message = error instanceof Error ? error.message : String(error);
      if (state !== 'cancelled') this.log(live.record.id, message);
      await this.finish(live, state, undefined, state === 'cancelled' ? undefined : error);
    }
  }

  private async finish(live: Live, state: RunState, outcome?: RunOutcome, error?: unknown): Promise<void> {
    live.progress = undefined;
    if (ENDED.has(live.record.state)) return;
    const message = error instanceof Error ? error.message : error === undefined ? undefined : String(error);
    await this.update(live, {
      state,
      ended: this.now().toISOString(),
      owner: undefined,
      window: undefined,
      error: message,
      ...(outcome && { summary: outcome.summary, output: outcome.output, top1: outcome.top1 ?? live.record.top1 }),
    }).catch(() => undefined);
    this.emit((listener) => listener.ended?.(live.record, error));
  }

  private async update(live: Live, change: Partial<RunRecord>): Promise<void> {
    live.record = { ...live.record, ...change };
    this.emit((listener) => listener.changed?.(live.record));
    await this.store.write(live.record);
  }

  private emit(tell: (listener: RunListener) => void): void {
    for (const listener of this.listeners) tell(listener);
  }
}
