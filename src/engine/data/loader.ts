/**
 * Batches of a data set, decoded ahead of the computation. Order and pixels depend on (seed, epoch) alone: not on the number
 * of threads, nor on where an epoch is entered.
 */
import { abortion } from '../../common/abortion.ts';
import { UserError } from '../../common/errors.ts';
import { type BatchMaker, defaultThreads, InlineMaker, ThreadPool } from './batch-makers.ts';
import { augmentSeed, type BatchResult, type BatchTask, type Unreadable } from './batch-task.ts';
import { decodeFile } from './decode.ts';
import { allocateCache, type SharedCache } from './image-cache.ts';
import type { Sample } from './image-folder.ts';
import { epochEntries, epochOrder, type SamplerOptions } from './sampler.ts';
import type { Transform } from './transforms.ts';

export interface LoaderOptions extends SamplerOptions {
  readonly samples: readonly Sample[];
  readonly transform: Transform;
  readonly batchSize: number;
  /** Leave out a last batch that is not full. Default false. */
  readonly dropLast?: boolean;
  /** Decoding threads; 0 decodes in this thread. Default: one less than the cores. */
  readonly workers?: number;
  /** Keep decoded images where all of them fit into this many bytes. Default 256 MiB; 0 for never. */
  readonly cacheBytes?: number;
  /** Told about every unreadable image, once. */
  readonly onUnreadable?: (unreadable: Unreadable) => void;
}

export interface Batch {
  /** Position in the epoch. */
  readonly index: number;
  /** count × size × size × 3 floats, channel last. */
  readonly images: Float32Array<ArrayBuffer>;
  readonly labels: Int32Array;
  /** Images in the batch: less than the batch size in the last one, or where some were unreadable. */
  readonly count: number;
  /** Height and width of the images. */
  readonly size: number;
  readonly files: readonly string[];
}

export interface EpochOptions {
  /** Shuffling and augmentation differ from epoch to epoch. Default 0. */
  readonly epoch?: number;
  /** Begin with this batch (resuming). Default 0. */
  readonly startBatch?: number;
  /** End after this many. */
  readonly maxBatches?: number;
  readonly signal?: AbortSignal;
}

const MOST_UNREADABLE = 0.01;
const DEFAULT_CACHE_BYTES = 256 * 1024 * 1024;

export class ImageLoader {
  /** Images that could not be read, with the reason. */
  readonly skipped = new Map<string, string>();
  private readonly options: LoaderOptions;
  private maker: Promise<BatchMaker> | undefined;
  private taskId = 0;
  private isClosed = false;

  constructor(options: LoaderOptions) {
    if (options.samples.length === 0) throw new UserError('There are no images to load.');
    if (!Number.isInteger(options.batchSize) || options.batchSize < 1) {
      throw new UserError(`The batch size must be a whole number from 1, not ${options.batchSize}.`);
    }
    this.options = options;
  }

  /** Entries of an epoch: the images, or their repetitions. */
  get entries(): number {
    return epochEntries(this.options.samples.length, this.options.repeats);
  }

  get batchesPerEpoch(): number {
    const { batchSize, dropLast } = this.options;
    return dropLast ? Math.floor(this.entries / batchSize) : Math.ceil(this.entries / batchSize);
  }

  /** Files of the first batches of the first epoch, in their order. Opens nothing. */
  files(batches: number): readonly string[] {
    const { samples, batchSize } = this.options;
    const order = epochOrder(samples.length, 0, this.options);
    return Array.from(order.subarray(0, batches * batchSize), (slot) => samples[slot].file);
  }

  /**
   * The batches of an epoch, in order. Leaving the loop stops the work behind it.
   * @throws UserError when more than 1 % of the images are unreadable
   */
  async *batches(options: EpochOptions = {}): AsyncGenerator<Batch, void, undefined> {
    const { epoch = 0, startBatch = 0, maxBatches = Number.POSITIVE_INFINITY, signal } = options;
    signal?.throwIfAborted();
    const maker = await this.open();
    const order = epochOrder(this.options.samples.length, epoch, this.options);
    const end = Math.min(this.batchesPerEpoch, startBatch + maxBatches);
    const ahead: Promise<BatchResult>[] = [];
    const { aborted, stop } = abortion(signal);
    let asked = startBatch;
    const askAhead = () => {
      for (; asked < end && ahead.length < maker.depth; asked++) {
        const result = maker.make(this.task(order, epoch, asked));
        result.catch(() => undefined); // it is awaited later, or never
        ahead.push(result);
      }
    };
    try {
      for (let index = startBatch; index < end; index++) {
        askAhead();
        const result = await Promise.race([ahead[0], aborted]);
        signal?.throwIfAborted();
        ahead.shift();
        askAhead();
        this.noteUnreadable(result.unreadable);
        if (result.kept.length > 0) yield this.batch(order, index, result);
      }
    } finally {
      stop();
      if (ahead.length > 0) maker.abandon();
    }
  }

  /** Ends the threads. The loader cannot be used afterwards. */
  async close(): Promise<void> {
    this.isClosed = true;
    await (await this.maker)?.close();
  }

  private open(): Promise<BatchMaker> {
    if (this.isClosed) throw new Error('the loader is closed');
    this.maker ??= this.start();
    return this.maker;
  }

  private async start(): Promise<BatchMaker> {
    const { workers = defaultThreads() } = this.options;
    const cache = await this.allocate();
    return workers > 0 ? new ThreadPool(workers, cache) : new InlineMaker(cache);
  }

  /** The first image says how large the slots of the cache must be. */
  private async allocate(): Promise<SharedCache | undefined> {
    const { samples, cacheBytes = DEFAULT_CACHE_BYTES } = this.options;
    if (cacheBytes <= 0) return undefined;
    const first = await decodeFile(samples[0].file).catch(() => undefined);
    return first && allocateCache(samples.length, first.data.length, cacheBytes);
  }

  private entriesOf(order: Int32Array, index: number): Int32Array {
    const { batchSize } = this.options;
    return order.slice(index * batchSize, (index + 1) * batchSize);
  }

  private task(order: Int32Array, epoch: number, index: number): Omit<BatchTask, 'generation'> {
    const { samples, transform, batchSize, seed = 0 } = this.options;
    const slots = this.entriesOf(order, index);
    return {
      id: this.taskId++,
      files: Array.from(slots, (slot) => samples[slot].file),
      slots,
      seeds: Uint32Array.from(slots, (_, i) => augmentSeed(seed, epoch, index * batchSize + i)),
      transform,
    };
  }

  private batch(order: Int32Array, index: number, { images, kept }: BatchResult): Batch {
    const { samples, transform } = this.options;
    const entries = this.entriesOf(order, index);
    return {
      index,
      images,
      labels: Int32Array.from(kept, (i) => samples[entries[i]].label),
      count: kept.length,
      size: transform.size,
      files: kept.map((i) => samples[entries[i]].file),
    };
  }

  private noteUnreadable(unreadable: readonly Unreadable[]): void {
    for (const one of unreadable) {
      if (this.skipped.has(one.file)) continue;
      this.skipped.set(one.file, one.reason);
      this.options.onUnreadable?.(one);
    }
    const total = this.options.samples.length;
    if (this.skipped.size <= total * MOST_UNREADABLE) return;
    const named = [...this.skipped].slice(0, 5).map(([file, reason]) => `  ${file}: ${reason}`);
    throw new UserError(
      `${this.skipped.size} of ${total} images cannot be read, more than 1 %. Mend or remove them:\n${named.join('\n')}`,
    );
  }
}
