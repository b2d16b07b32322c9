/** In which order an epoch visits the samples: a function of (seed, epoch) alone, so that a resumed run goes on as if unbroken. */
import { deriveSeed, permutation } from './random.ts';

export interface SamplerOptions {
  readonly shuffle?: boolean;
  readonly seed?: number;
  /** Repeated augmentation (`--ra-sampler`, `--ra-reps`): every sample this often in a row, differently augmented. */
  readonly repeats?: number;
}

/** Purpose numbers keep the random streams of a run apart. */
const ORDER_STREAM = 1;

/** Repeated augmentation takes a multiple of this many samples per epoch, as torchvision's `RASampler`. */
const REPEATED_MULTIPLE = 256;

/** Entries of an epoch. */
export function epochEntries(samples: number, repeats = 1): number {
  return repeats > 1 && samples >= REPEATED_MULTIPLE ? samples - (samples % REPEATED_MULTIPLE) : samples;
}

/**
 * Indices into the samples. With `repeats` r > 1 (Hoffer et al. 2020; torchvision `RASampler` on one machine) an epoch has as
 * many entries as without, rounded down to a multiple of 256 where there are so many: about n / r samples, r times each.
 */
export function epochOrder(samples: number, epoch: number, options: SamplerOptions = {}): Int32Array {
  const { shuffle = false, seed = 0, repeats = 1 } = options;
  const order = shuffle
    ? permutation(samples, deriveSeed(seed, ORDER_STREAM, epoch))
    : Int32Array.from({ length: samples }, (_, i) => i);
  if (repeats <= 1) return order;
  return Int32Array.from({ length: epochEntries(samples, repeats) }, (_, i) => order[Math.floor(i / repeats)]);
}
