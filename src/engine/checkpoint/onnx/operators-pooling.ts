/** ONNX operators that pool, and reductions. */
import type { Pair, SpatialPadding } from '../../graph/operations.ts';
import { sizePerImage } from '../../graph/shapes.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { imageSize, paddingOf, pairOf } from './operators-layers.ts';

const NO_PADDING: SpatialPadding = { top: 0, left: 0, bottom: 0, right: 0 };

interface Pooling {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: SpatialPadding;
  /** Whether rounding sizes up takes more padding than the file says. */
  readonly extended: boolean;
}

/** Padding at the far end so that a size rounded down is the one rounded up; windows that would start in padding are left out. */
function extraPadding(size: number, before: number, after: number, kernel: number, stride: number): number {
  let count = Math.ceil((size + before + after - kernel) / stride) + 1;
  if ((count - 1) * stride >= size + before) count--;
  return Math.max(0, (count - 1) * stride + kernel - (size + before + after));
}

function poolingOf(call: OperatorCall): Pooling {
  const size = imageSize(call);
  const kernel = pairOf(call, 'kernel_shape', [0, 0]);
  const stride = pairOf(call, 'strides', [1, 1]);
  const dilation = pairOf(call, 'dilations', [1, 1]);
  if (dilation[0] !== 1 || dilation[1] !== 1) call.fail('has dilations, which Espalier has no pooling for');
  const padding = paddingOf(call, size, { kernel, stride, dilation });
  if (!call.int('ceil_mode', 0)) return { kernel, stride, padding, extended: false };
  const bottom = extraPadding(size[0], padding.top, padding.bottom, kernel[0], stride[0]);
  const right = extraPadding(size[1], padding.left, padding.right, kernel[1], stride[1]);
  const wider = { ...padding, bottom: padding.bottom + bottom, right: padding.right + right };
  return { kernel, stride, padding: wider, extended: bottom + right > 0 };
}

const maxPool: OperatorRule = (call) => {
  if (call.node.outputs.slice(1).some(Boolean))
    call.fail('gives the places of its maxima, which Espalier cannot take over');
  const { kernel, stride, padding } = poolingOf(call);
  return call.emit('maxPool', [call.operand(0)], { kernel, stride, padding });
};

const averagePool: OperatorRule = (call) => {
  const { kernel, stride, padding, extended } = poolingOf(call);
  const countPadding = Boolean(call.int('count_include_pad', 0));
  const isPadded = Object.values(padding).some(Boolean);
  if (extended && countPadding) call.fail('rounds sizes up and counts its padding, which Espalier has no pooling for');
  // Without padding both are the same, and PyTorch's is the default.
  const attributes = { kernel, stride, padding, countPadding: countPadding || !isPadded };
  return call.emit('averagePool', [call.operand(0)], attributes);
};

const globalAveragePool: OperatorRule = (call) => {
  imageSize(call);
  return call.emit('mean', [call.operand(0)], { axes: [2, 3], keepDimensions: true });
};

const globalMaxPool: OperatorRule = (call) => {
  const kernel = imageSize(call);
  return call.emit('maxPool', [call.operand(0)], { kernel, stride: kernel, padding: NO_PADDING });
};

interface Reduction {
  readonly axes: readonly number[];
  readonly keepDimensions: boolean;
}

function reductionOf(call: OperatorCall): Reduction {
  const shape = call.shape(0);
  const given = call.list('axes', 1);
  if (!given?.length) return call.fail('reduces every dimension, the images too');
  const axes = given.map((axis) => call.axis(axis, shape.length)).sort((a, b) => a - b);
  if (axes.some((axis) => shape[axis] < 0)) call.fail('mixes images with each other');
  return { axes, keepDimensions: Boolean(call.int('keepdims', 1)) };
}

const reduceMean: OperatorRule = (call) => call.emit('mean', [call.operand(0)], reductionOf(call));

const reduceSum: OperatorRule = (call) => {
  const reduction = reductionOf(call);
  const shape = call.shape(0);
  const count = sizePerImage(reduction.axes.map((axis) => shape[axis]));
  return call.emit('scale', [call.add('mean', [call.operand(0)], reduction)], { by: count });
};

/** Maxima over the whole image. */
const reduceMax: OperatorRule = (call) => {
  const { axes, keepDimensions } = reductionOf(call);
  const shape = call.shape(0);
  if (shape.length !== 4 || String(axes) !== '2,3') call.fail('takes maxima of other dimensions than those of images');
  const kernel: Pair = [shape[2], shape[3]];
  const pooled = call.add('maxPool', [call.operand(0)], { kernel, stride: kernel, padding: NO_PADDING });
  return call.computed(keepDimensions ? pooled : call.reshape(pooled, shape.slice(0, 2)));
};

export const poolingOperators: Readonly<Record<string, OperatorRule>> = {
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  MaxPool: maxPool,
  ReduceMax: reduceMax,
  ReduceMean: reduceMean,
  ReduceSum: reduceSum,
};
