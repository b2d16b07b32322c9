/** Images [N, H, W, C] and the windows of convolutions: kinds, padding, pixels spread and gathered. */
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Pair, SpatialPadding } from '../../graph/operations.ts';
import type { KernelAttributes } from '../programs/kernels.ts';
import { copyBlocks } from './copying.ts';
import type { KernelContext } from './kernel-context.ts';

export type Conv = Omit<KernelAttributes['conv'], 'groups'>;

export const NO_PADDING: SpatialPadding = { top: 0, left: 0, bottom: 0, right: 0 };
export const isUnpadded = ({ padding: p }: Pick<Conv, 'padding'>): boolean => p.top + p.left + p.bottom + p.right === 0;
export const isStrided = ({ stride }: Pick<Conv, 'stride'>): boolean => stride[0] > 1 || stride[1] > 1;
export const isDilated = ({ dilation }: Conv): boolean => dilation[0] > 1 || dilation[1] > 1;
/** Kernel of one pixel, without padding. */
export const isPointwise = (a: Conv): boolean => a.kernel[0] === 1 && a.kernel[1] === 1 && isUnpadded(a);
/** Size of a kernel with the gaps of its dilation. */
export const extentOf = ({ kernel, dilation }: Conv): Pair => [
  dilation[0] * (kernel[0] - 1) + 1,
  dilation[1] * (kernel[1] - 1) + 1,
];

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
