/**
 * Keeps the worker alive and its callers informed.
 *
 * It starts with the first request. When it dies, every request in flight is rejected with its last words, and it starts
 * again after a back-off; when a request overruns its time limit, the worker is taken for hung and replaced.
 */
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import {
  type ParamsOf,
  type ResultOf,
  type TimeLimit,
  timeLimits,
  type WorkerMethod,
  type WorkerNotifications,
} from '../../protocol/messages.ts';
import type { ProgressReport } from '../../protocol/values.ts';
import { describeDeath, RequestError, toRequestError } from './request-error.ts';
import { RETRY_DELAYS, RetryState } from './retry-state.ts';
import { type Listener, type WorkerCommand, WorkerProcess } from './worker-process.ts';

export type WorkerState = 'idle' | 'starting' | 'running' | 'waiting' | 'failed' | 'disposed';

export interface SupervisorOptions {
  /** Asked before each start: settings may have changed. */
  readonly command: () => WorkerCommand;
  readonly log?: (line: string) => void;
  readonly limits?: Readonly<Partial<Record<WorkerMethod, TimeLimit>>>;
  readonly retryDelays?: readonly number[];
  /** Until `worker/ready`. */
  readonly startLimitMs?: number;
  /** Between SIGTERM and SIGKILL. */
  readonly killGraceMs?: number;
  /** Between a cancellation and taking the worker for hung. */
  readonly cancelGraceMs?: number;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (report: ProgressReport) => void;
}

interface Flight {
  readonly reject: (error: RequestError) => void;
  readonly progress: (report: ProgressReport) => void;
}

export class WorkerSupervisor {
  private current: WorkerProcess | undefined;
  private starting: Promise<WorkerProcess> | undefined;
  private readonly retry: RetryState;
  private readonly flights = new Map<string, Flight>();
  private readonly listeners = new Map<string, Set<(value: never) => void>>();
  private readonly stateListeners = new Set<(state: WorkerState) => void>();
  private tokens = 0;
  private stateNow: WorkerState = 'idle';
  private lastDeath = '';
  private backOff:
    | { readonly timer: NodeJS.Timeout; readonly over: Promise<void>; readonly end: () => void }
    | undefined;

  constructor(private readonly options: SupervisorOptions) {
    this.retry = new RetryState(options.retryDelays ?? RETRY_DELAYS);
  }

  get state(): WorkerState {
    return this.stateNow;
  }

  get pid(): number | undefined {
    return this.current?.pid;
  }

  onState(listener: (state: WorkerState) => void): () => void {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }

  /** Listens to a notification of this worker and of those that will follow it. */
  on<K extends keyof WorkerNotifications>(name: K, listener: Listener<K>): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  /**
   * Sends a request, starting the worker where it must. Rejects with `RequestError`: of kind `worker` when the worker died
   * or was silent for longer than the method's time limit, `cancelled` when the signal was aborted.
   */
  async request<M extends WorkerMethod>(
    method: M,
    params: ParamsOf<M>,
    { signal, onProgress }: RequestOptions = {},
  ): Promise<ResultOf<M>> {
    const worker = await this.ready(signal);
    const token = String(++this.tokens);
    const cancellation = new CancellationTokenSource();
    return new Promise<ResultOf<M>>((resolve, reject) => {
      const limit = this.options.limits?.[method] ?? timeLimits[method];
      const timer = this.watchdog(limit, (seconds) =>
        this.replace(worker, `The worker did not answer ${method} within ${seconds} s and was restarted.`),
      );
      let grace: NodeJS.Timeout | undefined;
      const abort = (): void => {
        cancellation.cancel();
        grace = setTimeout(
          () => this.replace(worker, 'The worker did not stop when asked to and was restarted.', token),
          this.options.cancelGraceMs ?? 15_000,
        );
      };
      const settle = (): void => {
        timer.stop();
        clearTimeout(grace);
        signal?.removeEventListener('abort', abort);
        this.flights.delete(token);
        cancellation.dispose();
      };
      this.flights.set(token, {
        reject: (error) => {
          settle();
          reject(error);
        },
        progress: (report) => {
          timer.touch();
          onProgress?.(report);
        },
      });
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) abort();
      worker.request(method, { params, progress: token }, cancellation.token).then(
        (result) => {
          if (!this.flights.has(token)) return;
          settle();
          this.retry.succeeded();
          resolve(result);
        },
        (error: unknown) => {
          // A connection that closed rejects too; then the death that follows has the reason.
          if (!this.flights.has(token) || !worker.alive) return;
          settle();
          const known = toRequestError(error);
          if (known.kind !== 'defect') this.retry.succeeded();
          reject(known);
        },
      );
    });
  }

  /** Ends the worker and starts another, whatever happened before. */
  async restart(): Promise<void> {
    this.retry.reset();
    this.backOff?.end();
    const worker = this.current;
    this.current = undefined;
    this.rejectAll('The worker was restarted.');
    await worker?.kill(this.grace);
    if (this.stateNow === 'failed') this.setState('idle');
    await this.ready();
  }

  async dispose(): Promise<void> {
    this.setState('disposed');
    this.backOff?.end();
    this.rejectAll('Espalier was closed.');
    const worker = this.current;
    this.current = undefined;
    await worker?.kill(this.grace);
  }

  private get grace(): number {
    return this.options.killGraceMs ?? 2000;
  }

  private setState(state: WorkerState): void {
    if (this.stateNow === 'disposed' || this.stateNow === state) return;
    this.stateNow = state;
    for (const listener of this.stateListeners) listener(state);
  }

  /** The running worker; waits for a start or a back-off under way. */
  private async ready(signal?: AbortSignal): Promise<WorkerProcess> {
    if (signal?.aborted) throw new RequestError('cancelled', 'Cancelled.');
    if (this.stateNow === 'disposed') throw new RequestError('worker', 'Espalier was closed.');
    if (this.stateNow === 'failed')
      throw new RequestError(
        'worker',
        `${this.lastDeath}\nIt died ${this.retry.count} times. Run "Restart Worker" to try again.`,
      );
    await this.backOff?.over;
    if (this.current?.alive && this.stateNow === 'running') return this.current;
    this.starting ??= this.start().finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  private async start(): Promise<WorkerProcess> {
    if (this.stateNow === 'disposed') throw new RequestError('worker', 'Espalier was closed.');
    this.setState('starting');
    const worker = new WorkerProcess(this.options.command(), (line) => this.options.log?.(line));
    this.current = worker;
    const isReady = new Promise<'ready'>((resolve) => {
      worker.on('worker/ready', (value) => {
        resolve('ready');
        this.emit('worker/ready', value);
      });
    });
    worker.on('progress', ({ token, report }) => this.flights.get(token)?.progress(report));
    worker.on('log', (value) => this.emit('log', value));
    void worker.death.then((death) => this.afterDeath(worker, describeDeath(death), true));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), this.options.startLimitMs ?? 30_000);
    });
    const first = await Promise.race([isReady, late, worker.death]);
    clearTimeout(timer);
    if (first === 'ready') {
      this.setState('running');
      return worker;
    }
    if (first === 'late') {
      this.replace(worker, 'The worker did not start in time.');
      throw new RequestError('worker', 'The worker did not start in time.');
    }
    throw new RequestError('worker', describeDeath(first));
  }

  private emit<K extends keyof WorkerNotifications>(name: K, value: WorkerNotifications[K]): void {
    for (const listener of this.listeners.get(name) ?? []) (listener as Listener<K>)(value);
  }

  private afterDeath(worker: WorkerProcess, message: string, died: boolean): void {
    if (this.current !== worker) return;
    this.current = undefined;
    this.lastDeath = message;
    this.options.log?.(message);
    const decision = this.retry.died();
    if (decision.kind === 'giveUp') this.setState('failed');
    else this.waitAndRestart(decision.afterMs);
    this.rejectAll(message, died);
  }

  private waitAndRestart(ms: number): void {
    this.setState('waiting');
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => {
      end = () => {
        clearTimeout(timer);
        this.backOff = undefined;
        resolve();
      };
    });
    const timer = setTimeout(() => {
      end();
      // A failure to start is counted by afterDeath, and told to whoever asks next.
      if (this.stateNow === 'waiting') this.ready().catch(() => undefined);
    }, ms);
    this.backOff = { timer, over, end };
  }

  /** Rejects what was in flight and puts the worker out of the way; `cancelled`: the flight that had been cancelled. */
  private replace(worker: WorkerProcess, message: string, cancelled?: string): void {
    if (cancelled) this.flights.get(cancelled)?.reject(new RequestError('cancelled', 'Cancelled.'));
    if (this.current === worker) this.afterDeath(worker, message, false);
    void worker.kill(this.grace);
  }

  private rejectAll(message: string, died = false): void {
    for (const flight of [...this.flights.values()])
      flight.reject(new RequestError('worker', message, undefined, died));
  }

  /** Calls `expired` when the limit is over; `touch` starts a limit on silence anew. */
  private watchdog(limit: TimeLimit, expired: (seconds: number) => void): { touch(): void; stop(): void } {
    const ms = 'total' in limit ? limit.total : limit.silence;
    const arm = (): NodeJS.Timeout => setTimeout(() => expired(ms / 1000), ms);
    let timer = arm();
    return {
      touch: () => {
        if ('total' in limit) return;
        clearTimeout(timer);
        timer = arm();
      },
      stop: () => clearTimeout(timer),
    };
  }
}
