/** Who makes the batches: a pool of decode threads, or this thread. Both give the same results. */
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { type BatchResult, type BatchTask, Limiter, makeBatch } from './batch-task.ts';
import { ImageCache, type SharedCache } from './image-cache.ts';
import type { FromThread, ThreadSetup, ToThread } from './thread-messages.ts';
import { startDecodeThread } from './thread-path.ts';

export interface BatchMaker {
  /** Tasks worth having under way at a time. */
  readonly depth: number;
  make(task: Omit<BatchTask, 'generation'>): Promise<BatchResult>;
  /** Nobody waits for what is under way: skip it. */
  abandon(): void;
  /** Lets what is under way end and frees the threads. */
  close(): Promise<void>;
}

const IMAGES_IN_FLIGHT = 4;
/** How long a closing thread may take to finish the images it holds. */
const CLOSE_MILLISECONDS = 2000;

/** One thread is left to the computation; more than eight are never the bottleneck. */
export const defaultThreads = (): number => Math.max(1, Math.min(8, availableParallelism() - 1));

/** Makes batches in this thread; the decoder has threads of its own. */
export class InlineMaker implements BatchMaker {
  readonly depth = 2;
  private readonly limiter = new Limiter(IMAGES_IN_FLIGHT);
  private readonly cache?: ImageCache;
  private generation = 0;

  constructor(cache: SharedCache | undefined) {
    this.cache = cache && new ImageCache(cache);
  }

  make(task: Omit<BatchTask, 'generation'>): Promise<BatchResult> {
    const isStale = ({ generation }: BatchTask) => generation !== this.generation;
    return makeBatch({ ...task, generation: this.generation }, { limiter: this.limiter, cache: this.cache, isStale });
  }

  abandon(): void {
    this.generation += 1;
  }

  async close(): Promise<void> {
    this.abandon();
  }
}

interface Waiting {
  readonly resolve: (result: BatchResult) => void;
  readonly reject: (error: Error) => void;
}

/** A decode thread and what it owes. The process may end while it is idle, not while it works. */
class DecodeThread {
  private readonly waiting = new Map<number, Waiting>();
  private readonly thread: Worker;
  private readonly exited: Promise<void>;
  private dead: Error | undefined;

  constructor(setup: ThreadSetup) {
    this.thread = startDecodeThread(setup);
    this.thread.unref();
    this.thread.on('message', (message: FromThread) => this.settle(message));
    this.thread.on('error', (error) => this.fail(error));
    this.exited = new Promise((resolve) => {
      this.thread.on('exit', (code) => {
        this.fail(new Error(`a decode thread ended with code ${code}`));
        resolve();
      });
    });
  }

  get load(): number {
    return this.waiting.size;
  }

  make(task: BatchTask): Promise<BatchResult> {
    return new Promise((resolve, reject) => {
      if (this.dead) {
        reject(this.dead);
        return;
      }
      this.waiting.set(task.id, { resolve, reject });
      this.thread.ref();
      this.thread.postMessage({ kind: 'task', task } satisfies ToThread);
    });
  }

  async close(): Promise<void> {
    if (this.dead) return;
    this.thread.ref();
    this.thread.postMessage({ kind: 'close' } satisfies ToThread);
    const timer = setTimeout(() => void this.thread.terminate(), CLOSE_MILLISECONDS);
    await this.exited;
    clearTimeout(timer);
  }

  private settle(message: FromThread): void {
    const id = message.kind === 'result' ? message.result.id : message.id;
    const waiter = this.waiting.get(id);
    this.waiting.delete(id);
    if (this.waiting.size === 0) this.thread.unref();
    if (message.kind === 'result') waiter?.resolve(message.result);
    else waiter?.reject(Object.assign(new Error(message.message), { stack: message.stack }));
  }

  private fail(error: Error): void {
    this.dead ??= error;
    for (const waiter of this.waiting.values()) waiter.reject(this.dead);
    this.waiting.clear();
  }
}

/** Makes batches in so many threads; whole batches, so that their memory is handed over, not copied. */
export class ThreadPool implements BatchMaker {
  readonly depth: number;
  private readonly threads: DecodeThread[];
  private readonly generation = new SharedArrayBuffer(4);

  constructor(threads: number, cache: SharedCache | undefined) {
    const setup: ThreadSetup = { cache, concurrency: IMAGES_IN_FLIGHT, generation: this.generation };
    this.threads = Array.from({ length: threads }, () => new DecodeThread(setup));
    this.depth = threads * 2;
  }

  make(task: Omit<BatchTask, 'generation'>): Promise<BatchResult> {
    const idlest = this.threads.reduce((a, b) => (b.load < a.load ? b : a));
    return idlest.make({ ...task, generation: Atomics.load(new Int32Array(this.generation), 0) });
  }

  abandon(): void {
    Atomics.add(new Int32Array(this.generation), 0, 1);
  }

  async close(): Promise<void> {
    this.abandon();
    await Promise.all(this.threads.map((thread) => thread.close()));
  }
}
