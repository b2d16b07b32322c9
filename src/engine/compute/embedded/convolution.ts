/** Convolutions of [N, H, W, C] by [kh, kw, I, O]. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { SpatialPadding } from '../../graph/operations.ts';
import { copyBlocks } from './copying.ts';
import { type Conv, extentOf, isDilated, isStrided, paddedImages } from './images.ts';
import type { KernelContext } from './kernel-context.ts';
import { denseConvolution } from './simd/dense.ts';
import { isLargeDepthwise, largeDepthwise } from './simd/depthwise-passes.ts';

/** Padding as tfjs takes it: of N, H, W, C, before and after. */
type Padding = [[number, number], [number, number], [number, number], [number, number]];
export const explicit = ({ top, bottom, left, right }: SpatialPadding): Padding => [
  [0, 0],
  [top, bottom],
  [left, right],
  [0, 0],
];

export interface ConvolutionOptions {
  readonly bias?: Tensor;
  readonly depthwise?: boolean;
}

/** y[n, oy, ox, o] = Σ x[n, oy s + ky d − p, …, i] w[ky, kx, i, o] (+ bias). Depthwise: w is [kh, kw, C, M]. */
export function convolve(
  context: KernelContext,
  x: Tensor4D,
  weight: Tensor4D,
  a: Conv,
  { bias, depthwise = false }: ConvolutionOptions = {},
): Tensor4D {
  const { fused } = context.tf;
  if (depthwise && context.simd && weight.shape[3] === 1 && isLargeDepthwise(a, x.shape[3])) {
    const shift = bias && context.memory.view(bias).slice();
    return largeDepthwise(context, context.simd, a, paddedImages(context, x, a.padding), weight, shift);
  }
  if (!depthwise && context.simd) return denseConvolution(context, context.simd, a, 1, x, weight, bias);
  // tfjs takes strides or dilations, not both: the kernel then gets its gaps written out.
  const both = isStrided(a) && isDilated(a);
  const filter = both ? withGaps(context, weight, a) : weight;
  const dilations = both ? 1 : [...a.dilation];
  const strides = [...a.stride];
  const options = { x, filter, strides, dilations, pad: explicit(a.padding), bias } as const;
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
