/** ONNX operators that pool. */
import type { Pair, SpatialPadding } from '../../graph/operations.ts';
import { float32Tensor } from '../../graph/tensor.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { imageSize, paddingOf, pairOf } from './operators-layers.ts';
import { ofImages } from './operators-sequences.ts';

const NO_PADDING: SpatialPadding = { top: 0, left: 0, bottom: 0, right: 0 };

interface Pooling {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: SpatialPadding;
  /** What the file says; `padding` has more where sizes are rounded up. */
  readonly written: SpatialPadding;
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
  const written = paddingOf(call, size, { kernel, stride, dilation });
  if (!call.int('ceil_mode', 0)) return { kernel, stride, padding: written, written };
  const bottom = extraPadding(size[0], written.top, written.bottom, kernel[0], stride[0]);
  const right = extraPadding(size[1], written.left, written.right, kernel[1], stride[1]);
  const padding = { ...written, bottom: written.bottom + bottom, right: written.right + right };
  return { kernel, stride, padding, written };
}

const maxPool: OperatorRule = (call) => {
  if (call.node.outputs.slice(1).some(Boolean))
    call.fail('gives the places of its maxima, which Espalier cannot take over');
  const { kernel, stride, padding } = poolingOf(call);
  return call.emit('maxPool', [call.operand(0)], { kernel, stride, padding });
};

const isNone = (padding: SpatialPadding): boolean => !Object.values(padding).some(Boolean);

/** How many pixels of each window along an axis count: those of the image and of the padding that the file says. */
function counted(
  size: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  windows: number,
): number[] {
  return Array.from({ length: windows }, (_, i) => Math.min(i * stride + kernel, before + size + after) - i * stride);
}

/** Means that count the padding written in the file, and not what rounding up adds: those of all, made larger at the far end. */
function meansOfWritten(call: OperatorCall, { kernel, stride, padding, written }: Pooling) {
  const pooled = call.add('averagePool', [call.operand(0)], { kernel, stride, padding, countPadding: true });
  const [, , height, width] = call.scope.graph.shape(pooled);
  const [h, w] = imageSize(call);
  const rows = counted(h, kernel[0], stride[0], written.top, written.bottom, height);
  const columns = counted(w, kernel[1], stride[1], written.left, written.right, width);
  const factors = rows.flatMap((r) => columns.map((c) => (kernel[0] * kernel[1]) / (r * c)));
  const tensor = float32Tensor([height, width], Float32Array.from(factors));
  return call.emit('multiply', [pooled, call.add('constant', [], { tensor })], {});
}

const averagePool: OperatorRule = (call) => {
  const pooling = poolingOf(call);
  const { kernel, stride, padding, written } = pooling;
  const isExtended = padding.bottom !== written.bottom || padding.right !== written.right;
  const counts = Boolean(call.int('count_include_pad', 0));
  if (isExtended && counts && !isNone(written)) return meansOfWritten(call, pooling);
  // Without padding both are the same, and PyTorch's is the default.
  const countPadding = isNone(padding) || (counts && !isExtended);
  return call.emit('averagePool', [call.operand(0)], { kernel, stride, padding, countPadding });
};

const globalAveragePool: OperatorRule = (call) => {
  const rank = call.shape(0).length;
  if (rank < 3) call.fail(`pools ${rank} dimensions`);
  return call.emit('mean', [call.operand(0)], {
    axes: Array.from({ length: rank - 2 }, (_, i) => i + 2),
    keepDimensions: true,
  });
};

const globalMaxPool: OperatorRule = (call) => {
  const kernel = imageSize(call);
  return call.emit('maxPool', [call.operand(0)], { kernel, stride: kernel, padding: NO_PADDING });
};

export const poolingOperators: Readonly<Record<string, OperatorRule>> = {
  AveragePool: ofImages(averagePool),
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: ofImages(globalMaxPool),
  MaxPool: ofImages(maxPool),
};
