/** Making one batch: what a decode thread does, and the loader itself where there are none. */
import { decodeFile, UnreadableImageError } from './decode.ts';
import type { RgbImage } from './image.ts';
import type { ImageCache } from './image-cache.ts';
import { deriveSeed, Random } from './random.ts';
import { applyTransform, type Transform } from './transforms.ts';

/** Plain data: it is posted to a thread. */
export interface BatchTask {
  readonly id: number;
  readonly files: readonly string[];
  /** Position of each file in the cache. */
  readonly slots: Int32Array;
  /** Seed of each image's augmentation. */
  readonly seeds: Uint32Array;
  readonly transform: Transform;
  /** See ThreadSetup. */
  readonly generation: number;
}

/** What a thread makes batches with. */
export interface BatchTools {
  readonly limiter: Limiter;
  readonly cache?: ImageCache;
  /** True once nobody waits for the task any more: the rest of its images is skipped. */
  readonly isStale: (task: BatchTask) => boolean;
}

export interface Unreadable {
  readonly file: string;
  readonly reason: string;
}

export interface BatchResult {
  readonly id: number;
  /** count × size × size × 3, channel last: the readable images, in order. */
  readonly images: Float32Array<ArrayBuffer>;
  /** Which of the task's files they are. */
  readonly kept: readonly number[];
  readonly unreadable: readonly Unreadable[];
}

const AUGMENT_STREAM = 2;

/** The augmentation seed of an epoch's entry: it depends on nothing else, so any number of threads gives the same pixels. */
export const augmentSeed = (seed: number, epoch: number, position: number): number =>
  deriveSeed(seed, AUGMENT_STREAM, epoch, position);

/** Lets at most `limit` functions run at a time, in the order of the calls. */
export class Limiter {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.free = limit;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}

async function cachedDecode(file: string, slot: number, cache: ImageCache | undefined): Promise<RgbImage> {
  const cached = cache?.get(slot);
  if (cached) return cached;
  const image = await decodeFile(file);
  cache?.put(slot, image);
  return image;
}

/** Decodes, transforms and collects. Unreadable images are reported and leave no gap. */
export async function makeBatch(task: BatchTask, tools: BatchTools): Promise<BatchResult> {
  const { files, slots, seeds, transform } = task;
  const stride = transform.size * transform.size * 3;
  let images: Float32Array<ArrayBuffer> | undefined;
  const failures = new Map<number, Unreadable>();
  const one = async (i: number): Promise<void> => {
    if (tools.isStale(task)) return;
    try {
      const image = await cachedDecode(files[i], slots[i], tools.cache);
      images ??= new Float32Array(files.length * stride);
      applyTransform(transform, image, new Random(seeds[i]), images, i * stride);
    } catch (error) {
      if (!(error instanceof UnreadableImageError)) throw error;
      failures.set(i, { file: error.file, reason: error.reason });
    }
  };
  await Promise.all(files.map((_, i) => tools.limiter.run(() => one(i))));
  const kept = files.map((_, i) => i).filter((i) => !failures.has(i));
  const all = images ?? new Float32Array(0);
  if (failures.size > 0) {
    for (const [at, i] of kept.entries()) all.copyWithin(at * stride, i * stride, (i + 1) * stride);
  }
  const unreadable = [...failures.keys()].sort((a, b) => a - b).map((i) => failures.get(i) as Unreadable);
  return { id: task.id, images: failures.size > 0 ? all.slice(0, kept.length * stride) : all, kept, unreadable };
}
