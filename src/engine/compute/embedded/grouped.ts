/** Depthwise and grouped convolutions and their gradients: by group, or by tap of the kernel. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { inputGradient, weightGradient } from './conv-gradients.ts';
import { convolve } from './convolution.ts';
import { copyBlocks } from './copying.ts';
import { type Conv, extentOf, isStrided, NO_PADDING, paddedImages, placed } from './images.ts';
import type { KernelContext } from './kernel-context.ts';
import { sumOfRows } from './reductions.ts';
import { denseConvolution, denseInputGradient } from './simd/dense.ts';
import { depthwiseWeightSums, isKnownWidth } from './simd/depthwise-passes.ts';
import { convolutionWeightGradient } from './simd/outer-products.ts';
import { throughTap } from './taps.ts';

type Size4 = readonly [n: number, h: number, w: number, c: number];

// ---- channels by group

/** Channels of [..., parts · C] as `parts` tensors of [..., C]. */
function channelGroups(context: KernelContext, x: Tensor4D, parts: number): Tensor4D[] {
  const [a, b, c, channels] = x.shape;
  const width = channels / parts;
  return Array.from(
    { length: parts },
    (_, part) =>
      context.filled([a, b, c, width], [x], (target, source) => {
        copyBlocks(source, part * width, target, 0, [{ count: a * b * c, from: channels, to: width }], width);
      }) as Tensor4D,
  );
}

function joinChannels(context: KernelContext, pieces: readonly Tensor4D[]): Tensor4D {
  const [a, b, c, width] = pieces[0].shape;
  const channels = width * pieces.length;
  return context.filled([a, b, c, channels], pieces, (target, ...sources) => {
    sources.forEach((source, part) => {
      copyBlocks(source, 0, target, part * width, [{ count: a * b * c, from: width, to: channels }], width);
    });
  }) as Tensor4D;
}

export function groupedConvolution(
  context: KernelContext,
  a: Conv,
  groups: number,
  x: Tensor4D,
  weight: Tensor4D,
): Tensor4D {
  if (context.simd) return denseConvolution(context, context.simd, a, groups, x, weight);
  const weights = channelGroups(context, weight, groups);
  const parts = channelGroups(context, x, groups);
  return joinChannels(
    context,
    parts.map((part, i) => convolve(context, part, weights[i], a)),
  );
}

export function groupedInputGradient(
  context: KernelContext,
  a: Conv,
  groups: number,
  d: Tensor4D,
  weight: Tensor4D,
  [n, h, w, c]: Size4,
): Tensor4D {
  if (context.simd) return denseInputGradient(context, context.simd, a, groups, d, weight, [n, h, w, c]);
  const weights = channelGroups(context, weight, groups);
  const parts = channelGroups(context, d, groups);
  return joinChannels(
    context,
    parts.map((part, i) => inputGradient(context, a, part, weights[i], [n, h, w, c / groups])),
  );
}

/** [kh, kw, I / groups, O]. */
export function groupedWeightGradient(
  context: KernelContext,
  a: Conv,
  groups: number,
  x: Tensor4D,
  d: Tensor4D,
): Tensor4D {
  const { simd } = context;
  if (simd) {
    const [into, out] = [x.shape[3] / groups, d.shape[3] / groups];
    const gradients = Array.from({ length: groups }, (_, i) =>
      convolutionWeightGradient(context, simd, a, x, d, { into, out, firstInput: i * into, firstOutput: i * out }),
    );
    return joinChannels(context, gradients);
  }
  const inputs = channelGroups(context, x, groups);
  const gradients = channelGroups(context, d, groups);
  return joinChannels(
    context,
    inputs.map((input, i) => weightGradient(context, a, input, gradients[i])),
  );
}

// ---- depthwise

/** The m-th of the outputs of every channel: [..., C · M] → M tensors of [..., C]. */
function multiples(context: KernelContext, x: Tensor4D, m: number): Tensor4D[] {
  if (m === 1) return [x];
  const [a, b, c, channels] = x.shape;
  const count = a * b * c * (channels / m);
  return Array.from(
    { length: m },
    (_, part) =>
      context.filled([a, b, c, channels / m], [x], (target, source) => {
        copyBlocks(source, part, target, 0, [{ count, from: m, to: 1 }], 1);
      }) as Tensor4D,
  );
}

/** The depthwise kernel [kh, kw, C, 1] turned by 180°. */
function turnedDepthwise(context: KernelContext, weight: Tensor4D): Tensor4D {
  const [kh, kw, c] = weight.shape;
  return context.filled(weight.shape, [weight], (target, source) => {
    copyBlocks(source, 0, target, (kh * kw - 1) * c, [{ count: kh * kw, from: c, to: -c }], c);
  }) as Tensor4D;
}

/** Gradient of a depthwise convolution's input; weight is [kh, kw, C, M]. */
export function depthwiseInputGradient(
  context: KernelContext,
  a: Conv,
  d: Tensor4D,
  weight: Tensor4D,
  [, h, w, c]: Size4,
): Tensor4D {
  const [kh, kw, , m] = weight.shape;
  const [eh, ew] = extentOf(a);
  const { top, left } = a.padding;
  const plain: Conv = { ...a, stride: [1, 1], padding: NO_PADDING };
  const weights = multiples(context, context.images(weight, 1, kh, kw, c * m), m);
  const parts = multiples(context, d, m).map((part, i) => {
    const turned = turnedDepthwise(context, context.images(weights[i], kh, kw, c, 1));
    const [, oh, ow] = part.shape;
    const inside = { top: eh - 1 - top, left: ew - 1 - left, bottom: h - oh + top, right: w - ow + left };
    if (!isStrided(a) && Object.values(inside).every((p) => p >= 0))
      return convolve(context, part, turned, { ...plain, padding: inside }, { depthwise: true });
    const rows = { start: eh - 1 - top, step: a.stride[0] };
    const columns = { start: ew - 1 - left, step: a.stride[1] };
    const spread = placed(context, part, [h + eh - 1, w + ew - 1], rows, columns);
    return convolve(context, spread, turned, plain, { depthwise: true });
  });
  return (parts.length > 1 ? context.tf.addN(parts) : parts[0]) as Tensor4D;
}

/** Gradient of a depthwise convolution's weights, [kh, kw, C, M]: for each tap Σ of the input seen through it times d. */
export function depthwiseWeightGradient(context: KernelContext, a: Conv, x: Tensor4D, d: Tensor4D): Tensor4D {
  const [, oh, ow] = d.shape;
  const c = x.shape[3];
  const m = d.shape[3] / c;
  const [kh, kw] = a.kernel;
  if (context.simd && m === 1 && isKnownWidth(kw))
    return depthwiseWeightSums(context, context.simd, a, paddedImages(context, x, a.padding), d);
  const parts = multiples(context, d, m);
  const taps: Tensor[] = [];
  for (let ky = 0; ky < kh; ky++)
    for (let kx = 0; kx < kw; kx++) {
      const seen = throughTap(context, a, x, [oh, ow], [ky, kx]);
      for (const part of parts) taps.push(sumOfRows(context, context.tf.mul(seen, part), c));
    }
  return context.filled([kh, kw, c, m], taps, (target, ...sources) => {
    sources.forEach((source, i) => {
      const [tap, part] = [Math.floor(i / m), i % m];
      copyBlocks(source, 0, target, tap * c * m + part, [{ count: c, from: 1, to: m }], 1);
    });
  }) as Tensor4D;
}
