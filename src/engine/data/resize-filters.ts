/**
 * Pillow's resampling filters and the fixed-point weights it makes of them (semantics.md, "Pixels"): double weights,
 * normalised, then 22-bit fixed point rounded half away from zero.
 */

export const INTERPOLATIONS = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const;
export type Interpolation = (typeof INTERPOLATIONS)[number];
/** The filters with weights; `nearest` only picks. */
export type FilterName = Exclude<Interpolation, 'nearest'>;

interface Filter {
  /** How far it reaches, in source pixels at scale 1. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** Cubic convolution with a = −½ (Keys). */
function cubic(x: number): number {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

function hamming(x: number): number {
  const t = Math.abs(x);
  if (t === 0) return 1;
  if (t >= 1) return 0;
  const angle = t * Math.PI;
  return (Math.sin(angle) / angle) * (0.54 + 0.46 * Math.cos(angle));
}

const filters: { readonly [K in FilterName]: Filter } = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

export const WEIGHT_BITS = 22;

/** For every output pixel: the first source pixel, how many, and their weights. */
export interface Taps {
  readonly start: Int32Array;
  readonly count: Int32Array;
  /** (outputs × stride): the weights of output o begin at o · stride; the rest of the row is 0. */
  readonly weights: Int32Array;
  readonly stride: number;
}

function computeTaps(input: number, output: number, name: FilterName): Taps {
  const filter = filters[name];
  const scale = input / output;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const start = new Int32Array(output);
  const count = new Int32Array(output);
  const weights = new Int32Array(output * stride);
  const row = new Float64Array(stride);
  const inverse = 1 / stretch;
  for (let o = 0; o < output; o++) {
    const centre = (o + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const taps = Math.min(input, Math.trunc(centre + support + 0.5)) - first;
    let sum = 0;
    for (let t = 0; t < taps; t++) {
      row[t] = filter.weight((t + first - centre + 0.5) * inverse);
      sum += row[t];
    }
    for (let t = 0; t < taps; t++) {
      const scaled = (sum !== 0 ? row[t] / sum : row[t]) * (1 << WEIGHT_BITS);
      weights[o * stride + t] = Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
    start[o] = first;
    count[o] = taps;
  }
  return { start, count, weights, stride };
}

const MOST_CACHED = 256;
const cache = new Map<string, Taps>();

/** The taps for a length of `input` made `output`; remembered, because data sets repeat their sizes. */
export function tapsFor(input: number, output: number, name: FilterName): Taps {
  const key = `${input}>${output}:${name}`;
  const known = cache.get(key);
  if (known) return known;
  const made = computeTaps(input, output, name);
  if (cache.size >= MOST_CACHED) cache.delete(cache.keys().next().value as string);
  cache.set(key, made);
  return made;
}
