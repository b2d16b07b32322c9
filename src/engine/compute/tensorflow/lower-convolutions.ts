/**
 * Lowering of convolutions: values lie as N, H, W, C, weights as kh, kw, I, O. TensorFlow's CPU kernels have no gradient of
 * grouped or dilated convolutions, so those are split by group, or take weights with zeros between their entries.
 */
import type { Pair } from '../../graph/operations.ts';
import { HWIO, HWOI, inMemory, NHWC } from './data-layout.ts';
import {
  depthwise,
  depthwiseInputGradient,
  depthwiseWeight,
  depthwiseWeightGradient,
  isDepthwise,
} from './lower-depthwise.ts';
import { FLOAT, INT, type Laid, type LoweringContext, type LoweringRule } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';
import { type Conv, convAttrs, isExplicit, paddedImages, positionsTaken, spatial } from './windows.ts';

/** Order in memory of the weights of a convolution over `channels` channels. */
export const weightOrder = (a: Conv, channels: number): readonly number[] => (isDepthwise(a, channels) ? HWOI : HWIO);

export const conv: LoweringRule<'conv'> = (context, { attributes: a, shapes: [shape] }, [input, weight, bias]) => {
  const isOfChannels = isDepthwise(a, input.shape[1]);
  // TensorFlow takes the bias into a depthwise convolution, and then aborts the process over explicit padding.
  const outside = isOfChannels && bias !== undefined && isExplicit(a);
  const x = outside ? paddedImages(context, input, a.padding) : context.inOrder(input, NHWC);
  const window = outside ? { ...a, padding: { top: 0, left: 0, bottom: 0, right: 0 } } : a;
  const w = isOfChannels ? depthwiseWeight(context, weight, x.shape[1]) : context.inOrder(weight, HWIO);
  const y = isOfChannels
    ? depthwise(context, window, x, w, shape)
    : context.product('Conv2D', [x.tensor, w.tensor], convAttrs(window), shape, NHWC);
  if (!bias) return [y];
  return [context.biasAdd(y, bias)];
};

export const patches: LoweringRule<'patches'> = (context, { attributes: a, shapes: [shape] }, [input]) => {
  const x = paddedImages(context, input, a.padding);
  const attrs: Attrs = {
    T: FLOAT,
    ksizes: spatial(a.kernel),
    strides: spatial(a.stride),
    rates: spatial(a.dilation),
    padding: { str: 'VALID' },
  };
  const [n, kh, kw, c, positions] = shape;
  // TensorFlow's are N, oh, ow, kh · kw · C.
  const rows = context.emit('ExtractImagePatches', [x.tensor], attrs, [n, positions, kh * kw * c]);
  return [context.reshapeMemory(rows, shape, [0, 4, 1, 2, 3])];
};

// ---- gradients

/** Size of a kernel with zeros between its entries. */
const dilatedKernel = ({ kernel, dilation }: Conv): Pair => [
  dilation[0] * (kernel[0] - 1) + 1,
  dilation[1] * (kernel[1] - 1) + 1,
];

function dense(a: Conv): Conv {
  return { ...a, kernel: dilatedKernel(a), dilation: [1, 1] };
}

const isDilated = ({ dilation }: Conv): boolean => dilation.some((d) => d > 1);

/** Shape and strides of the kernel with gaps, for StridedSlice and its gradient. */
function gaps(context: LoweringContext, a: Conv, [inputs, outputs]: readonly number[]) {
  const { graph } = context;
  const [kh, kw] = dilatedKernel(a);
  const attrs: Attrs = { T: FLOAT, Index: INT };
  const whole = graph.ints(kh, kw, inputs, outputs);
  const bounds = [graph.ints(0, 0, 0, 0), whole, graph.ints(...a.dilation, 1, 1)];
  return { attrs, whole, bounds };
}

/** The weights (HWIO) of an equal convolution without dilation. */
function spreadWeight(context: LoweringContext, a: Conv, w: Laid): Laid {
  if (!isDilated(a)) return w;
  const [out, into] = w.shape;
  const { attrs, whole, bounds } = gaps(context, a, [into, out]);
  const shape = [out, into, ...dilatedKernel(a)];
  return context.emit('StridedSliceGrad', [whole, ...bounds, w.tensor], attrs, shape, HWIO);
}

/** Pieces of a value along a logical axis. */
function split(context: LoweringContext, x: Laid, axis: number, parts: number): Laid[] {
  const dimension = context.graph.int(x.order.indexOf(axis));
  const shape = x.shape.map((d, i) => (i === axis ? d / parts : d));
  const sizes = { dtype: 'float32' as const, shape: inMemory(shape, x.order).map((d) => (d < 0 ? -1 : d)) };
  const attrs: Attrs = { T: FLOAT, num_split: { int: parts } };
  const outputs = Array.from({ length: parts }, () => sizes);
  const tensors = context.graph.outputs('Split', [dimension, x.tensor], attrs, outputs);
  return tensors.map((tensor) => ({ tensor, shape, order: x.order }));
}

function join(context: LoweringContext, pieces: readonly Laid[], axis: number): Laid {
  const [{ order, shape }] = pieces;
  const whole = shape.map((d, i) => (i === axis ? d * pieces.length : d));
  const inputs = [...pieces.map((x) => x.tensor), context.graph.int(order.indexOf(axis))];
  return context.emit('ConcatV2', inputs, { N: { int: pieces.length }, T: FLOAT, Tidx: INT }, whole, order);
}

/** Gradient by the input of one group. */
function inputGradient(context: LoweringContext, a: Conv, d: Laid, w: Laid, shape: readonly number[]): Laid {
  const sizes = context.sizes(inMemory(shape, NHWC));
  const spread = spreadWeight(context, a, w);
  return context.emit('Conv2DBackpropInput', [sizes, spread.tensor, d.tensor], convAttrs(dense(a)), shape, NHWC);
}

/** Whether windows are single positions that lie apart. */
const takesPositions = ({ kernel, stride, padding }: Conv): boolean =>
  kernel.every((k) => k === 1) && stride.some((s) => s > 1) && Object.values(padding).every((p) => p === 0);

/** Gradient by the weights of one group. */
function weightGradient(context: LoweringContext, a: Conv, x: Laid, d: Laid, shape: readonly number[]): Laid {
  // TensorFlow 2.21 (oneDNN) writes outside of its memory there, where channels are no multiples of 16: as a pruned network's.
  if (takesPositions(a))
    return weightGradient(
      context,
      { ...a, stride: [1, 1] },
      positionsTaken(context, a.stride, x, d.shape.slice(2)),
      d,
      shape,
    );
  const [out, into] = shape;
  const full = [out, into, ...dilatedKernel(a)];
  const sizes = context.graph.ints(...inMemory(full, HWIO));
  const attrs = convAttrs(dense(a));
  const g = context.emit('Conv2DBackpropFilter', [x.tensor, sizes, d.tensor], attrs, full, HWIO);
  if (!isDilated(a)) return g;
  const { attrs: strided, bounds } = gaps(context, a, [into, out]);
  return context.emit('StridedSlice', [g.tensor, ...bounds], strided, shape, HWIO);
}

export const convInputGradient: LoweringRule<'convInputGradient'> = (
  context,
  { attributes: a },
  [gradient, weight],
) => {
  const d = context.inOrder(gradient, NHWC);
  const [n, channels, ...size] = a.inputShape;
  if (isDepthwise(a, channels)) {
    const w = depthwiseWeight(context, weight, channels);
    return [depthwiseInputGradient(context, a, d, w, a.inputShape)];
  }
  const w = context.inOrder(weight, HWIO);
  if (a.groups === 1) return [inputGradient(context, a, d, w, a.inputShape)];
  const shape = [n, channels / a.groups, ...size];
  const weights = split(context, w, 0, a.groups);
  const parts = split(context, d, 1, a.groups).map((part, i) =>
    inputGradient(context, { ...a, groups: 1 }, part, weights[i], shape),
  );
  return [join(context, parts, 1)];
};

export const convWeightGradient: LoweringRule<'convWeightGradient'> = (
  context,
  { attributes: a },
  [input, gradient],
) => {
  const x = context.inOrder(input, NHWC);
  const d = context.inOrder(gradient, NHWC);
  const [out, into, kh, kw] = a.weightShape;
  if (isDepthwise(a, x.shape[1])) return [depthwiseWeightGradient(context, a, x, d, a.weightShape)];
  if (a.groups === 1) return [weightGradient(context, a, x, d, a.weightShape)];
  const gradients = split(context, d, 1, a.groups);
  const parts = split(context, x, 1, a.groups).map((part, i) =>
    weightGradient(context, { ...a, groups: 1 }, part, gradients[i], [out / a.groups, into, kh, kw]),
  );
  return [join(context, parts, 0)];
};
