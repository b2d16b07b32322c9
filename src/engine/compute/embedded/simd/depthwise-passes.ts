/** Depthwise convolutions of padded images [n, h, w, c] and the gradients of their weights, through the SIMD kernels. */
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { copyBlocks } from '../copying.ts';
import type { Conv } from '../images.ts';
import type { KernelContext } from '../kernel-context.ts';
import { DEPTHWISE_WIDTHS, type DepthwiseWidth } from './depthwise.ts';
import { BYTES, roundUp, VECTOR } from './loops.ts';
import type { SimdKernels } from './module.ts';

/** Whether there are functions for a kernel's width. */
export const isKnownWidth = (width: number): width is DepthwiseWidth =>
  (DEPTHWISE_WIDTHS as readonly number[]).includes(width);

/** Largest kernel that XNNPACK has depthwise code for; beyond it, it takes channel by channel. */
const XNNPACK_TAPS = 25;

/** Whether these kernels are the better ones for a depthwise convolution. */
export const isLargeDepthwise = ({ kernel }: Conv, channels: number): boolean =>
  kernel[0] * kernel[1] > XNNPACK_TAPS && isKnownWidth(kernel[1]) && channels % 4 === 0;

/** y of [n, oh, ow, c] for images that have their padding already; weight is [kh, kw, c, 1], bias [c]. */
export function largeDepthwise(
  context: KernelContext,
  simd: SimdKernels,
  a: Conv,
  x: Tensor4D,
  weight: Tensor4D,
  bias?: Float32Array,
): Tensor4D {
  const [n, h, w, c] = x.shape;
  const [kh, kw] = a.kernel;
  const [sy, sx] = a.stride;
  const [dy, dx] = a.dilation;
  const oh = Math.floor((h - dy * (kh - 1) - 1) / sy) + 1;
  const ow = Math.floor((w - dx * (kw - 1) - 1) / sx) + 1;
  const y = context.filled([n, oh, ow, c], [], (target) => {
    if (!bias) target.fill(0);
    else for (let i = 0; i < target.length; i += c) target.set(bias, i);
  }) as Tensor4D;
  const [atX, atY, atW] = [x, y, weight].map((tensor) => simd.address(tensor));
  const pixel = c * BYTES;
  const kernel = `depthwiseRow${kw as DepthwiseWidth}` as const;
  simd.share(n * oh, y.size * kh * kw, (call, first, last) => {
    for (let row = first; row < last; row++) {
      const [sample, oy] = [Math.floor(row / oh), row % oh];
      for (let ky = 0; ky < kh; ky++) {
        const source = atX + (sample * h + oy * sy + ky * dy) * w * pixel;
        const [target, entries] = [atY + row * ow * pixel, atW + ky * kw * pixel];
        call(kernel, source, sx * pixel, dx * pixel, target, pixel, entries, pixel, ow, c / 4);
      }
    }
  });
  return y;
}

/** Gradient of the weights, [kh, kw, c, 1], for images that have their padding already. */
export function depthwiseWeightSums(
  context: KernelContext,
  simd: SimdKernels,
  a: Conv,
  x: Tensor4D,
  d: Tensor4D,
): Tensor4D {
  const [n, h, w, c] = x.shape;
  const [, oh, ow] = d.shape;
  const [kh, kw] = a.kernel;
  const padded = roundUp(c, 4);
  const dw = context.filled([kh, kw, padded, 1], [], (target) => target.fill(0));
  const [atX, atD, atW] = [x, d, dw].map((tensor) => simd.address(tensor));
  const pixel = c * BYTES;
  const kernel = `depthwiseRowGradient${kw as DepthwiseWidth}` as const;
  const [xPixel, xRow] = [a.stride[1] * pixel, a.stride[0] * w * pixel];
  const entry = padded * BYTES;
  const tap = a.dilation[1] * pixel;
  // Parts differ in the channels or in the rows of the kernel that they add up.
  const vectors = padded / 4;
  simd.share(kh * vectors, d.size * kh * kw, (call, first, last) => {
    for (let part = first; part < last; ) {
      const [ky, vector] = [Math.floor(part / vectors), part % vectors];
      const count = Math.min(vectors - vector, last - part);
      const offset = vector * VECTOR;
      for (let sample = 0; sample < n; sample++) {
        const source = atX + (sample * h + ky * a.dilation[0]) * w * pixel + offset;
        const gradient = atD + sample * oh * ow * pixel + offset;
        const sums = atW + ky * kw * entry + offset;
        call(kernel, source, xPixel, xRow, tap, gradient, pixel, ow * pixel, sums, entry, ow, oh, count);
      }
      part += count;
    }
  });
  if (padded === c) return dw as Tensor4D;
  return context.filled([kh, kw, c, 1], [dw], (target, source) => {
    copyBlocks(source, 0, target, 0, [{ count: kh * kw, from: padded, to: c }], c);
  }) as Tensor4D;
}
