/** Gradients of dense convolutions: SIMD, or put together from tfjs's convolution and product. */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { convolve, turned } from './convolution.ts';
import { type Conv, extentOf, isPointwise, isStrided, NO_PADDING, placed, subsampled } from './images.ts';
import type { KernelContext } from './kernel-context.ts';
import { denseInputGradient } from './simd/dense.ts';
import { convolutionWeightGradient, sumOfOuterProducts } from './simd/outer-products.ts';
import { patchesOf } from './taps.ts';

type Size4 = readonly [n: number, h: number, w: number, c: number];

/** Gradient of a dense convolution's input. */
export function inputGradient(context: KernelContext, a: Conv, d: Tensor4D, weight: Tensor4D, size: Size4): Tensor4D {
  if (context.simd) return denseInputGradient(context, context.simd, a, 1, d, weight, size);
  const [, h, w] = size;
  const [eh, ew] = extentOf(a);
  // Pixels of d lie `stride` apart, with all that a kernel turned round reaches before and after them.
  const rows = { start: eh - 1 - a.padding.top, step: a.stride[0] };
  const columns = { start: ew - 1 - a.padding.left, step: a.stride[1] };
  const spread = placed(context, d, [h + eh - 1, w + ew - 1], rows, columns);
  return convolve(context, spread, turned(context, weight), { ...a, stride: [1, 1], padding: NO_PADDING });
}

/** Gradient of a dense convolution's weights, [kh, kw, I, O]. */
export function weightGradient(context: KernelContext, a: Conv, x: Tensor4D, d: Tensor4D): Tensor4D {
  const { simd } = context;
  const [n, oh, ow, out] = d.shape;
  const into = x.shape[3];
  const [kh, kw] = a.kernel;
  if (simd && !isPointwise(a))
    return convolutionWeightGradient(context, simd, a, x, d, { into, out, firstInput: 0, firstOutput: 0 });
  const rows = n * oh * ow;
  const seen = isPointwise(a)
    ? isStrided(a)
      ? subsampled(context, x, a.stride, [oh, ow])
      : x
    : patchesOf(context, a, x, [oh, ow]);
  const columns = context.matrix(seen, rows, kh * kw * into);
  return context.images(transposedProduct(context, columns, context.matrix(d, rows, out)), kh, kw, into, out);
}

/** aᵀ b of matrices with as many rows. */
export function transposedProduct(context: KernelContext, a: Tensor2D, b: Tensor2D): Tensor2D {
  if (context.simd) return sumOfOuterProducts(context, context.simd, a, b);
  return context.product(context.transposedMatrix(a), b);
}
