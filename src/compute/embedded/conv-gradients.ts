/** Gradients of dense convolutions, as convolutions and products: tfjs's own are plain loops, 10 times slower. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Pair } from '../../graph/operations.ts';
import { convolve, turned } from './convolution.ts';
import { copyElements } from './copying.ts';
import { type Conv, extentOf, isPatchwise, isPointwise, isStrided, NO_PADDING, placed, subsampled } from './images.ts';
import type { KernelContext } from './kernel-context.ts';
import { denseInputGradient } from './simd/dense.ts';
import { convolutionWeightGradient, sumOfOuterProducts } from './simd/outer-products.ts';

type Size4 = readonly [n: number, h: number, w: number, c: number];

const flatWeight = (context: KernelContext, weight: Tensor4D): Tensor2D => {
  const [kh, kw, i, o] = weight.shape;
  return context.matrix(weight, kh * kw * i, o);
};

const rowsOf = (context: KernelContext, x: Tensor4D): Tensor2D => {
  const [n, h, w, c] = x.shape;
  return context.matrix(x, n * h * w, c);
};

/** Steps through the patches of images [n, h, w, c], as loops over n, oy, ky, ox, (kx, c): in the images, and as rows of kh · kw · c. */
function patchLoops([n, h, w, c]: Size4, [kh, kw]: Pair, transposedRows?: number) {
  const [oh, ow] = [Math.floor(h / kh), Math.floor(w / kw)];
  // Row r, entry e of the patches lie at r · row + e · entry.
  const [row, entry] = transposedRows === undefined ? [kh * kw * c, 1] : [1, transposedRows];
  return [
    { images: h * w * c, patches: oh * ow * row, count: n },
    { images: kh * w * c, patches: ow * row, count: oh },
    { images: w * c, patches: kw * c * entry, count: kh },
    { images: kw * c, patches: row, count: ow },
    { images: 1, patches: entry, count: kw * c },
  ];
}

/** Gradient of a dense convolution's input. */
export function inputGradient(context: KernelContext, a: Conv, d: Tensor4D, weight: Tensor4D, size: Size4): Tensor4D {
  const [n, h, w, c] = size;
  const [, oh, ow] = d.shape;
  if (context.simd) return denseInputGradient(context, context.simd, a, 1, d, weight, size);
  if (isPointwise(a)) {
    const transposed = context.transposedMatrix(flatWeight(context, weight));
    const dx = context.product(rowsOf(context, d), transposed);
    const small = context.images(dx, n, oh, ow, c);
    if (!isStrided(a)) return small;
    return placed(context, small, [h, w], { start: 0, step: a.stride[0] }, { start: 0, step: a.stride[1] });
  }
  if (isPatchwise(a)) return patchInputGradient(context, a, d, weight, size);
  const [eh, ew] = extentOf(a);
  const { top, left } = a.padding;
  // Pixels of d lie `stride` apart, with all that a kernel turned round reaches before and after them.
  const plain: Conv = { ...a, stride: [1, 1], padding: NO_PADDING };
  const inside = { top: eh - 1 - top, left: ew - 1 - left, bottom: h - oh + top, right: w - ow + left };
  if (!isStrided(a) && Object.values(inside).every((p) => p >= 0))
    return convolve(context, d, turned(context, weight), { ...plain, padding: inside });
  const spread = placed(
    context,
    d,
    [h + eh - 1, w + ew - 1],
    { start: eh - 1 - top, step: a.stride[0] },
    { start: ew - 1 - left, step: a.stride[1] },
  );
  return convolve(context, spread, turned(context, weight), plain);
}

function patchInputGradient(context: KernelContext, a: Conv, d: Tensor4D, weight: Tensor4D, size: Size4): Tensor4D {
  const transposed = context.transposedMatrix(flatWeight(context, weight));
  const patches = context.product(rowsOf(context, d), transposed);
  const loops = patchLoops(size, a.kernel);
  return context.filled(size, [patches], (target, source) => {
    target.fill(0);
    copyElements(
      source,
      target,
      0,
      loops.map((loop) => ({ count: loop.count, from: loop.patches, to: loop.images })),
    );
  }) as Tensor4D;
}

/** Gradient of a dense convolution's weights, [kh, kw, I, O]. */
export function weightGradient(context: KernelContext, a: Conv, x: Tensor4D, d: Tensor4D): Tensor4D {
  const [n, oh, ow, o] = d.shape;
  const [, h, w, i] = x.shape;
  const [kh, kw] = a.kernel;
  const rows = n * oh * ow;
  const { simd } = context;
  if (simd && !isPointwise(a))
    return convolutionWeightGradient(context, simd, a, x, d, { into: i, out: o, firstInput: 0, firstOutput: 0 });
  if (isPointwise(a)) {
    const seen = isStrided(a) ? subsampled(context, x, a.stride, [oh, ow]) : x;
    return context.images(transposedProduct(context, rowsOf(context, seen), rowsOf(context, d)), 1, 1, i, o);
  }
  if (isPatchwise(a)) {
    const loops = patchLoops([n, h, w, i], a.kernel, rows);
    const columns = context.filled([kh * kw * i, rows], [x], (target, source) => {
      copyElements(
        source,
        target,
        0,
        loops.map((loop) => ({ count: loop.count, from: loop.images, to: loop.patches })),
      );
    });
    return context.images(context.product(columns as Tensor2D, rowsOf(context, d)), kh, kw, i, o);
  }
  return correlation(context, a, x, d);
}

/** aᵀ b of matrices with as many rows. */
export function transposedProduct(context: KernelContext, a: Tensor2D, b: Tensor2D): Tensor2D {
  if (context.simd) return sumOfOuterProducts(context, context.simd, a, b);
  // The smaller one is transposed.
  if (a.size <= b.size) return context.product(context.transposedMatrix(a), b);
  return context.transposedMatrix(context.product(context.transposedMatrix(b), a));
}

/** Numbers of d that are taken into one convolution: XNNPACK copies its weights twice. */
const MOST_WEIGHTS = 2 ** 22;

/**
 * dw[ky, kx, i, o] = Σ x[n, oy s + ky d − p, …, i] d[n, oy, ox, o] is a convolution with the samples as channels, the input channels as
 * samples and d as the kernel; strides and dilations change places.
 */
function correlation(context: KernelContext, a: Conv, x: Tensor4D, d: Tensor4D): Tensor4D {
  const [n, oh, ow, o] = d.shape;
  const chunk = Math.max(1, Math.min(n, Math.floor(MOST_WEIGHTS / (oh * ow * o))));
  const sums: Tensor[] = [];
  for (let start = 0; start < n; start += chunk) {
    const count = Math.min(chunk, n - start);
    sums.push(correlationOf(context, a, samples(context, x, start, count), samples(context, d, start, count)));
  }
  const [kh, kw] = a.kernel;
  const sum = sums.length > 1 ? context.tf.addN(sums) : sums[0];
  const swapped = context.images(sum, x.shape[3], kh, kw, o);
  return context.transposed(swapped, [1, 2, 0, 3]) as Tensor4D;
}

/** Some of the samples. */
function samples(context: KernelContext, x: Tensor4D, start: number, count: number): Tensor4D {
  const [n, h, w, c] = x.shape;
  if (count === n) return x;
  const size = h * w * c;
  return context.filled([count, h, w, c], [x], (target, source) => {
    target.set(source.subarray(start * size, (start + count) * size));
  }) as Tensor4D;
}

/** [I, kh, kw, O] for some samples. */
function correlationOf(context: KernelContext, a: Conv, x: Tensor4D, d: Tensor4D): Tensor4D {
  const [, oh, ow] = d.shape;
  const [, h, w] = x.shape;
  const { kernel, stride, padding, dilation } = a;
  // What the kernel reaches to, which rounding may have left short of the input's end.
  const bottom = stride[0] * (oh - 1) + dilation[0] * (kernel[0] - 1) + 1 - h - padding.top;
  const right = stride[1] * (ow - 1) + dilation[1] * (kernel[1] - 1) + 1 - w - padding.left;
  const swapped: Conv = {
    kernel: [oh, ow],
    stride: dilation,
    dilation: stride,
    padding: { ...padding, bottom: Math.max(bottom, 0), right: Math.max(right, 0) },
  };
  const channels = context.transposed(x, [3, 1, 2, 0]) as Tensor4D;
  const kernels = context.transposed(d, [1, 2, 0, 3]) as Tensor4D;
  const dw = convolve(context, channels, kernels, swapped);
  const [, height, width] = dw.shape;
  if (height === kernel[0] && width === kernel[1]) return dw;
  return placed(context, dw, kernel, { start: 0, step: 1 }, { start: 0, step: 1 });
}
