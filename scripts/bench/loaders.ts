/** Loaders for lanes: endless files, and the same batches from memory. */
import { type Batch, type EpochOptions, ImageLoader, type LoaderOptions } from '../../src/engine/data/loader.ts';

/** A data set of so many entries that no lane comes to its end: the files over and over. */
export const endless = (files: readonly string[], classes: number): LoaderOptions['samples'] =>
  Array.from({ length: 1 << 14 }, (_, i) => ({ file: files[i % files.length], label: i % classes }));

/** The first batches of a loader, kept: what is left of loading when decoding costs nothing. */
export class MemoryLoader extends ImageLoader {
  readonly #kept: readonly Batch[];

  private constructor(options: LoaderOptions, kept: readonly Batch[]) {
    super(options);
    this.#kept = kept;
  }

  static async of(options: LoaderOptions, loader: ImageLoader, count: number): Promise<MemoryLoader> {
    const kept: Batch[] = [];
    for await (const batch of loader.batches({ maxBatches: count })) kept.push(batch);
    return new MemoryLoader(options, kept);
  }

  override async *batches({
    maxBatches = this.batchesPerEpoch,
  }: EpochOptions = {}): AsyncGenerator<Batch, void, undefined> {
    for (let index = 0; index < maxBatches; index++) yield { ...this.#kept[index % this.#kept.length], index };
  }
}
