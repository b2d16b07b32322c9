/**
 * Decoded images kept in shared memory, so that small data sets (CIFAR) are decoded once however many threads and epochs
 * there are. One slot per sample, all of one size; images that do not fit a slot are not kept.
 */
import type { RgbImage } from './image.ts';

/** What a thread needs to open the same cache. */
export interface SharedCache {
  readonly slotBytes: number;
  /** Per slot: width · 65536 + height, or 0 while empty. */
  readonly sizes: SharedArrayBuffer;
  readonly pixels: SharedArrayBuffer;
}

const LONGEST_SIDE = 0x7fff;

export class ImageCache {
  private readonly sizes: Int32Array;
  private readonly pixels: Uint8Array;
  private readonly slotBytes: number;

  constructor(shared: SharedCache) {
    this.sizes = new Int32Array(shared.sizes);
    this.pixels = new Uint8Array(shared.pixels);
    this.slotBytes = shared.slotBytes;
  }

  /** A view of the kept pixels (not to be written to), or undefined. */
  get(slot: number): RgbImage | undefined {
    const size = Atomics.load(this.sizes, slot);
    if (size === 0) return undefined;
    const width = size >>> 16;
    const height = size & 0xffff;
    const from = slot * this.slotBytes;
    return { width, height, data: this.pixels.subarray(from, from + width * height * 3) };
  }

  put(slot: number, { width, height, data }: RgbImage): void {
    if (data.length > this.slotBytes || width > LONGEST_SIDE || height > LONGEST_SIDE) return;
    this.pixels.set(data, slot * this.slotBytes);
    Atomics.store(this.sizes, slot, (width << 16) | height);
  }
}

/** Memory for `slots` images of `slotBytes` each, or undefined where that is more than `limit` bytes. */
export function allocateCache(slots: number, slotBytes: number, limit: number): SharedCache | undefined {
  if (slots === 0 || slotBytes === 0 || slots * slotBytes > limit) return undefined;
  return {
    slotBytes,
    sizes: new SharedArrayBuffer(slots * 4),
    pixels: new SharedArrayBuffer(slots * slotBytes),
  };
}
