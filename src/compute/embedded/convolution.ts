/** Convolutions of [N, H, W, C] by [kh, kw, I, O], and the shapes and copies that they and their gradients need. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { Pair, SpatialPadding } from '../../graph/operations.ts';
import type { KernelAttributes } from '../kernels.ts';
import { copyBlocks } from './copying.ts';
import type { KernelContext } from './kernel-context.ts';
import { isLargeDepthwise, largeDepthwise } from './simd/depthwise-passes.ts';

export type Conv = Omit<KernelAttributes['conv'], 'groups'>;

/** Padding as tfjs takes it: of N, H, W, C, before and after. */
type Padding = [[number, number], [number, number], [number, number], [number, number]];
export const explicit = ({ top, bottom, left, right }: SpatialPadding): Padding => [
  [0, 0],
  [top, bottom],
  [left, right],
  [0, 0],
];

export const NO_PADDING: SpatialPadding = { top: 0, left: 0, bottom: 0, right: 0 };
export const isUnpadded = ({ padding: p }: Pick<Conv, 'padding'>): boolean => p.top + p.left + p.bottom + p.right === 0;
export const isStrided = ({ stride }: Pick<Conv, 'stride'>): boolean => stride[0] > 1 || stride[1] > 1;
export const isDilated = ({ dilation }: Conv): boolean => dilation[0] > 1 || dilation[1] > 1;
/** Kernel of one pixel, without padding. */
export const isPointwise = (a: Conv): boolean => a.kernel[0] === 1 && a.kernel[1] === 1 && isUnpadded(a);
/** Windows that do not overlap and leave nothing out between them: patch embeddings. */
export const isPatchwise = (a: Conv): boolean =>
  isUnpadded(a) && !isDilated(a) && a.kernel[0] === a.stride[0] && a.kernel[1] === a.stride[1];

/** Size of a kernel with the gaps of its dilation. */
export const extentOf = ({ kernel, dilation }: Conv): Pair => [
  dilation[0] * (kernel[0] - 1) + 1,
  dilation[1] * (kernel[1] - 1) + 1,
];

export interface ConvolutionOptions {
  readonly bias?: Tensor;
  readonly activation?: 'relu' | 'relu6';
  readonly depthwise?: boolean;
}

/** y[n, oy, ox, o] = Σ x[n, oy s + ky d − p, …, i] w[ky, kx, i, o] (+ bias). Depthwise: w is [kh, kw, C, M]. */
export function convolve(
  context: KernelContext,
  x: Tensor4D,
  weight: Tensor4D,
  a: Conv,
  { bias, activation, depthwise = false }: ConvolutionOptions = {},
): Tensor4D {
  const { fused } = context.tf;
  if (depthwise && context.simd && !activation && weight.shape[3] === 1 && isLargeDepthwise(a, x.shape[3])) {
    const shift = bias && context.memory.view(bias).slice();
    return largeDepthwise(context, context.simd, a, paddedImages(context, x, a.padding), weight, shift);
  }
  // tfjs takes strides or dilations, not both: the kernel then gets its gaps written out.
  const both = isStrided(a) && isDilated(a);
  const filter = both ? withGaps(context, weight, a) : weight;
  const dilations = both ? 1 : [...a.dilation];
  const strides = [...a.stride];
  const options = { x, filter, strides, dilations, pad: explicit(a.padding), bias, activation } as const;
  return (depthwise ? fused.depthwiseConv2d(options as never) : fused.conv2d(options as never)) as Tensor4D;
}

/** Weights with zeros between the entries of the kernel. */
export function withGaps(context: KernelContext, weight: Tensor4D, a: Conv): Tensor4D {
  const [, kw, i, o] = weight.shape;
  const [height, width] = extentOf(a);
  const row = i * o;
  return context.filled([height, width, i, o], [weight], (target, source) => {
    target.fill(0);
    const rows = { count: a.kernel[0], from: kw * row, to: a.dilation[0] * width * row };
    const columns = { count: kw, from: row, to: a.dilation[1] * row };
    copyBlocks(source, 0, target, 0, [rows, columns], row);
  }) as Tensor4D;
}

/** Where one dimension of a source lies in a target: positions 0, 1, … go to start, start + step, …, those outside are left out. */
export interface Placement {
  readonly start: number;
  readonly step: number;
}

/** First and number of the positions of a source of `count` that lie inside a target of `size`. */
function visible({ start, step }: Placement, count: number, size: number): { first: number; count: number } {
  const first = Math.max(0, Math.ceil(-start / step));
  const last = Math.min(count - 1, Math.floor((size - 1 - start) / step));
  return { first, count: Math.max(0, last - first + 1) };
}

/** x spread over zeros of [N, height, width, C], rows and columns each placed at their own distance; what falls outside is left out. */
export function placed(context: KernelContext, x: Tensor4D, size: Pair, rows: Placement, columns: Placement): Tensor4D {
  const [n, h, w, c] = x.shape;
  const [height, width] = size;
  const [y, z] = [visible(rows, h, height), visible(columns, w, width)];
  return context.filled([n, height, width, c], [x], (target, source) => {
    target.fill(0);
    const samples = { count: n, from: h * w * c, to: height * width * c };
    const lines = { count: y.count, from: w * c, to: rows.step * width * c };
    const from = (y.first * w + z.first) * c;
    const to = ((rows.start + y.first * rows.step) * width + columns.start + z.first * columns.step) * c;
    if (columns.step === 1) copyBlocks(source, from, target, to, [samples, lines], z.count * c);
    else {
      const pixels = { count: z.count, from: c, to: columns.step * c };
      copyBlocks(source, from, target, to, [samples, lines, pixels], c);
    }
  }) as Tensor4D;
}

/** Images with their padding written out. */
export function paddedImages(context: KernelContext, x: Tensor4D, padding: SpatialPadding): Tensor4D {
  if (isUnpadded({ padding })) return x;
  const { top, bottom, left, right } = padding;
  const size = [x.shape[1] + top + bottom, x.shape[2] + left + right] as const;
  return placed(context, x, size, { start: top, step: 1 }, { start: left, step: 1 });
}

/** Every stride-th pixel. */
export function subsampled(context: KernelContext, x: Tensor4D, [sy, sx]: Pair, [height, width]: Pair): Tensor4D {
  const [n, h, w, c] = x.shape;
  return context.filled([n, height, width, c], [x], (target, source) => {
    const samples = { count: n, from: h * w * c, to: height * width * c };
    const lines = { count: height, from: sy * w * c, to: width * c };
    if (sx === 1) copyBlocks(source, 0, target, 0, [samples, lines], width * c);
    else copyBlocks(source, 0, target, 0, [samples, lines, { count: width, from: sx * c, to: c }], c);
  }) as Tensor4D;
}

/** Weights of the convolution that undoes the strides' direction: kernel turned by 180°, inputs and outputs exchanged. */
export function turned(context: KernelContext, weight: Tensor4D): Tensor4D {
  const [kh, kw, i, o] = weight.shape;
  const taps = kh * kw;
  return context.filled([kh, kw, o, i], [weight], (target, source) => {
    for (let k = 0; k < taps; k++)
      for (let from = 0; from < i; from++)
        for (let to = 0; to < o; to++) target[((taps - 1 - k) * o + to) * i + from] = source[(k * i + from) * o + to];
  }) as Tensor4D;
}
