/** Dense and grouped convolutions, the gradients of their inputs, and products of matrices, through the SIMD kernels. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { type Conv, isPointwise, isStrided, paddedImages, placed } from '../images.ts';
import type { KernelContext } from '../kernel-context.ts';
import { BYTES } from './loops.ts';
import { TILE_COLUMNS } from './matrix.ts';
import type { SimdKernels } from './module.ts';
import {
  columnsTogether,
  type Extent,
  initialRow,
  type LeftFactor,
  multiply,
  packed,
  type Result,
  type RightFactor,
} from './multiply.ts';

const STEP = TILE_COLUMNS * BYTES;

/** Many bands that are multiplied by one right factor: those of each sample lie at equal distances. */
interface Bands {
  readonly samples: number;
  readonly perSample: number;
  /** Bytes from one sample to the next, in the left factor and in the result. */
  readonly sample: { readonly a: number; readonly result: number };
  readonly a: LeftFactor;
  readonly result: Result;
}

/** Multiplies all bands by the packed weights; bands are shared out among the threads. */
function multiplyAll(simd: SimdKernels, bands: Bands, b: RightFactor, part: Omit<Extent, 'bands'>): void {
  const { samples, perSample, sample, a, result } = bands;
  const { rows, columns, planes, blocks, steps } = part;
  const together = columnsTogether({ ...part, bands: 1 });
  const count = samples * perSample;
  simd.share(count, count * rows * columns * planes * blocks * steps, (call, first, last) => {
    for (let column = 0; column < columns; column += together)
      for (let at = first; at < last; ) {
        const [index, band] = [Math.floor(at / perSample), at % perSample];
        const number = Math.min(perSample - band, last - at);
        multiply(
          call,
          { ...a, address: a.address + index * sample.a + band * a.band },
          b,
          { ...result, address: result.address + index * sample.result + band * result.band },
          { ...part, bands: number },
          column,
          Math.min(column + together, columns),
        );
        at += number;
      }
  });
}

/** Rows of a long matrix in a band. */
const BAND = 64;

/** A matrix in memory; `transposed` where its columns lie together. */
export interface Matrix {
  readonly tensor: Tensor;
  readonly rows: number;
  readonly columns: number;
  readonly transposed?: boolean;
}

/** a b + bias of matrices in any order. */
export function denseProduct(context: KernelContext, simd: SimdKernels, a: Matrix, b: Matrix, bias?: Tensor): Tensor2D {
  const { rows, columns: k } = a;
  const { columns } = b;
  const [kStep, columnStep] = b.transposed ? [1, k] : [columns, 1];
  const weights = packed(context, b.tensor, { taps: [0], k, kStep, columns, columnStep });
  const start = initialRow(context, columns, bias);
  const y = context.memory.allocate([rows, columns]) as Tensor2D;
  const [from, to, initial] = [a.tensor, y, start].map((tensor) => simd.address(tensor));
  const [row, step] = a.transposed ? [BYTES, rows * BYTES] : [k * BYTES, BYTES];
  const factor = { address: simd.address(weights), tile: k * STEP, step: STEP };
  const whole = Math.floor(rows / BAND);
  const target = columns * BYTES;
  const bands = (first: number, perSample: number): Bands => ({
    samples: 1,
    perSample,
    sample: { a: 0, result: 0 },
    a: { address: from + first * row, band: BAND * row, row, plane: 0, block: 0, step },
    result: { address: to + first * target, band: BAND * target, row: target, initial },
  });
  const part = { columns, planes: 1, blocks: 1, steps: k };
  if (whole) multiplyAll(simd, bands(0, whole), factor, { ...part, rows: BAND });
  if (rows % BAND) multiplyAll(simd, bands(whole * BAND, 1), factor, { ...part, rows: rows % BAND });
  return y;
}

// ---- convolutions

/** A convolution in groups; `weight` is [kh, kw, I / groups, O]. */
export function denseConvolution(
  context: KernelContext,
  simd: SimdKernels,
  a: Conv,
  groups: number,
  input: Tensor4D,
  weight: Tensor4D,
  bias?: Tensor,
): Tensor4D {
  const [kh, kw, into, out] = weight.shape;
  const [n, , , channels] = input.shape;
  if (isPointwise(a) && !isStrided(a) && groups === 1) {
    const [, h, w] = input.shape;
    const pixels = { tensor: input, rows: n * h * w, columns: channels };
    const y = denseProduct(context, simd, pixels, { tensor: weight, rows: into, columns: out }, bias);
    return context.images(y, n, h, w, out);
  }
  const x = paddedImages(context, input, a.padding);
  const [, h, w] = x.shape;
  const [sy, sx] = a.stride;
  const [dy, dx] = a.dilation;
  const oh = Math.floor((h - dy * (kh - 1) - 1) / sy) + 1;
  const ow = Math.floor((w - dx * (kw - 1) - 1) / sx) + 1;
  const y = context.memory.allocate([n, oh, ow, out]) as Tensor4D;
  const columns = out / groups;
  const start = initialRow(context, out, bias);
  const [source, target] = [channels * BYTES, out * BYTES];
  for (let group = 0; group < groups; group++) {
    const taps = Array.from({ length: kh * kw }, (_, tap) => tap * into * out + group * columns);
    const weights = packed(context, weight, { taps, k: into, kStep: out, columns, columnStep: 1 });
    const [from, to, initial] = [x, y, start].map((tensor) => simd.address(tensor));
    multiplyAll(
      simd,
      {
        samples: n,
        perSample: oh,
        sample: { a: h * w * source, result: oh * ow * target },
        a: {
          address: from + group * into * BYTES,
          band: sy * w * source,
          row: sx * source,
          plane: dy * w * source,
          block: dx * source,
          step: BYTES,
        },
        result: {
          address: to + group * columns * BYTES,
          band: ow * target,
          row: target,
          initial: initial + group * columns * BYTES,
        },
      },
      { address: simd.address(weights), tile: kh * kw * into * STEP, step: STEP },
      // Pixels side by side are one long row of channels.
      { rows: ow, columns, planes: kh, ...merged(kw, into, dx * channels === into) },
    );
  }
  return y;
}

/** Blocks of steps that lie behind each other as one. */
const merged = (blocks: number, steps: number, areAdjacent: boolean): Pick<Extent, 'blocks' | 'steps'> =>
  areAdjacent ? { blocks: 1, steps: blocks * steps } : { blocks, steps };

// ---- gradients of inputs

/** Entries of a kernel that meet one phase of the input's positions (every stride-th), by the position in d that they take. */
interface Phase {
  readonly first: number;
  /** Number of the input's positions. */
  readonly count: number;
  /** Position in d of the first entry for the phase's first pixel, and the distance to the next one. */
  readonly start: number;
  readonly step: number;
  readonly entries: readonly number[];
}

/** The phases of one dimension. */
function phases(size: number, kernel: number, stride: number, dilation: number, pad: number): Phase[] {
  return Array.from({ length: stride }, (_, first) => {
    // Pixel first + i · stride meets entry e at i + (first + pad − e · dilation) / stride. In ascending order: entries from the last.
    const entries = Array.from({ length: kernel }, (_, i) => kernel - 1 - i).filter(
      (entry) => (first + pad - entry * dilation) % stride === 0,
    );
    const at = entries.map((entry) => (first + pad - entry * dilation) / stride);
    const count = Math.max(0, Math.ceil((size - first) / stride));
    return { first, count, start: at[0] ?? 0, step: at.length > 1 ? at[1] - at[0] : 1, entries };
  });
}

/** How far the phases reach before the first and behind the last position of d. */
function reach(list: readonly Phase[], size: number): { readonly before: number; readonly size: number } {
  const used = list.filter(({ entries, count }) => entries.length && count);
  const low = Math.min(0, ...used.map(({ start }) => start));
  const high = Math.max(size, ...used.map((p) => p.count + p.start + p.step * (p.entries.length - 1)));
  return { before: -low, size: high - low };
}

/** Gradient of a convolution's input of `size`: for each phase of the strides a convolution of d by the entries that meet it. */
export function denseInputGradient(
  context: KernelContext,
  simd: SimdKernels,
  a: Conv,
  groups: number,
  gradient: Tensor4D,
  weight: Tensor4D,
  [n, h, w, channels]: readonly [n: number, h: number, w: number, c: number],
): Tensor4D {
  const [, kw, into, out] = weight.shape;
  const [, oh, ow] = gradient.shape;
  const rows = phases(h, a.kernel[0], a.stride[0], a.dilation[0], a.padding.top);
  const columns = phases(w, a.kernel[1], a.stride[1], a.dilation[1], a.padding.left);
  const [tall, wide] = [reach(rows, oh), reach(columns, ow)];
  const isWhole = tall.size === oh && wide.size === ow;
  const d = isWhole
    ? gradient
    : placed(
        context,
        gradient,
        [tall.size, wide.size],
        { start: tall.before, step: 1 },
        { start: wide.before, step: 1 },
      );
  const x = context.memory.allocate([n, h, w, channels]) as Tensor4D;
  if ([...rows, ...columns].some(({ entries }) => entries.length === 0)) context.memory.view(x).fill(0);
  const zeros = initialRow(context, into);
  const perGroup = out / groups;
  const [source, target] = [out * BYTES, channels * BYTES];
  for (let group = 0; group < groups; group++)
    for (const row of rows)
      for (const column of columns) {
        if (!row.entries.length || !column.entries.length || !row.count || !column.count) continue;
        const taps = row.entries.flatMap((ky) =>
          column.entries.map((kx) => (ky * kw + kx) * into * out + group * perGroup),
        );
        const weights = packed(context, weight, { taps, k: perGroup, kStep: 1, columns: into, columnStep: out });
        const [from, to, initial] = [d, x, zeros].map((tensor) => simd.address(tensor));
        const first = (tall.before + row.start) * wide.size + wide.before + column.start;
        const pixel = row.first * w + column.first;
        multiplyAll(
          simd,
          {
            samples: n,
            perSample: row.count,
            sample: { a: tall.size * wide.size * source, result: h * w * target },
            a: {
              address: from + first * source + group * perGroup * BYTES,
              band: wide.size * source,
              row: source,
              plane: row.step * wide.size * source,
              block: column.step * source,
              step: BYTES,
            },
            result: {
              address: to + pixel * target + group * into * BYTES,
              band: a.stride[0] * w * target,
              row: a.stride[1] * target,
              initial,
            },
          },
          { address: simd.address(weights), tile: taps.length * perGroup * STEP, step: STEP },
          {
            rows: column.count,
            columns: into,
            planes: row.entries.length,
            ...merged(column.entries.length, perGroup, column.step * out === perGroup),
          },
        );
      }
  return x;
}
