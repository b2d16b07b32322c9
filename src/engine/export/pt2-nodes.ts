/** ATen calls for every operation of the Graph, as torch.export writes them. */
import type { OperationKind } from '../graph/operations.ts';
import {
  bool,
  type Emitter,
  float,
  int,
  ints,
  isEven,
  optional,
  padded,
  permuted,
  tensor,
  tensors,
  text,
} from './pt2-calls.ts';
import { keptOperation } from './pt2-kept.ts';
import { activation, averagePool, layerNorm, resize } from './pt2-layers.ts';

const binary =
  (target: string): Emitter<OperationKind> =>
  (_, s) =>
    s.call(target, { self: tensor(s.input(0)), other: tensor(s.input(1)) }, s.shape);

export const pt2Emitters: { readonly [K in OperationKind]: Emitter<K> } = {
  input: (_, s) => s.input(0),
  parameter: (_, s) => s.parameter('value'),
  constant: (node, s) => s.constant(node.attributes.tensor),
  conv: ({ attributes: a }, s) => {
    const { x, padding } = padded(s, a.padding);
    const inputs = { input: tensor(x), weight: tensor(s.parameter('weight')), bias: optional(s, 'bias') };
    const window = {
      stride: ints(a.stride),
      padding: ints(padding),
      dilation: ints(a.dilation),
      groups: int(a.groups),
    };
    return s.call('aten.conv2d.default', { ...inputs, ...window }, s.shape);
  },
  convTranspose: ({ attributes: a }, s) => {
    const { top, left, bottom, right } = a.padding;
    const even = isEven(a.padding);
    const inputs = { input: tensor(s.input(0)), weight: tensor(s.parameter('weight')), bias: optional(s, 'bias') };
    const window = {
      stride: ints(a.stride),
      padding: ints(even ? [top, left] : [0, 0]),
      output_padding: ints(a.outputPadding),
      groups: int(a.groups),
      dilation: ints(a.dilation),
    };
    const [n, c, h, w] = s.shape;
    const whole = even ? s.shape : [n, c, h + top + bottom, w + left + right];
    const y = s.call('aten.conv_transpose2d.input', { ...inputs, ...window }, whole);
    if (even) return y;
    // Uneven padding is cut off afterwards.
    const cut = ints([-left, -right, -top, -bottom]);
    return s.call('aten.pad.default', { self: tensor(y), pad: cut, mode: text('constant'), value: float(0) }, s.shape);
  },
  linear: (_, s) =>
    s.call(
      'aten.linear.default',
      { input: tensor(s.input(0)), weight: tensor(s.parameter('weight')), bias: optional(s, 'bias') },
      s.shape,
    ),
  matmul: (node, s) => {
    let other = s.input(1);
    if (node.attributes.transposeB) {
      const shape = s.inputShape(1);
      const order = [...Array(shape.length).keys()];
      [order[order.length - 2], order[order.length - 1]] = [order.length - 1, order.length - 2];
      other = s.call('aten.permute.default', { self: tensor(other), dims: ints(order) }, permuted(shape, order));
    }
    return s.call('aten.matmul.default', { self: tensor(s.input(0)), other: tensor(other) }, s.shape);
  },
  batchNorm: ({ attributes: { eps, momentum } }, s) =>
    s.call(
      'aten.batch_norm.default',
      {
        input: tensor(s.input(0)),
        weight: optional(s, 'weight'),
        bias: optional(s, 'bias'),
        running_mean: tensor(s.parameter('runningMean')),
        running_var: tensor(s.parameter('runningVar')),
        training: bool(false),
        momentum: float(momentum),
        eps: float(eps),
        cudnn_enabled: bool(true),
      },
      s.shape,
    ),
  layerNorm,
  groupNorm: ({ attributes: { groups, eps } }, s) =>
    s.call(
      'aten.group_norm.default',
      {
        input: tensor(s.input(0)),
        num_groups: int(groups),
        weight: tensor(s.parameter('weight')),
        bias: tensor(s.parameter('bias')),
        eps: float(eps),
      },
      s.shape,
    ),
  activation,
  add: binary('aten.add.Tensor'),
  subtract: binary('aten.sub.Tensor'),
  multiply: binary('aten.mul.Tensor'),
  divide: binary('aten.div.Tensor'),
  scale: ({ attributes: { by } }, s) => {
    const factor = typeof by === 'number' ? by : (s.inputShape(0).at(-1) as number) ** -0.5;
    return s.call('aten.mul.Tensor', { self: tensor(s.input(0)), other: float(factor) }, s.shape);
  },
  concat: (node, s) =>
    s.call(
      'aten.cat.default',
      { tensors: tensors(node.inputs.map((_, i) => s.input(i))), dim: int(node.attributes.axis) },
      s.shape,
    ),
  slice: ({ attributes: { axis, start, end, step } }, s) =>
    s.call(
      'aten.slice.Tensor',
      { self: tensor(s.input(0)), dim: int(axis), start: int(start), end: int(end), step: int(step) },
      s.shape,
    ),
  pad: ({ attributes: { axis, before, after } }, s) => {
    const zeros = Array<number>(2 * (s.shape.length - 1 - axis)).fill(0);
    return s.call('aten.pad.default', { self: tensor(s.input(0)), pad: ints([...zeros, before, after]) }, s.shape);
  },
  reshape: (_, s) => s.call('aten.reshape.default', { self: tensor(s.input(0)), shape: s.sizes(s.shape) }, s.shape),
  transpose: (node, s) =>
    s.call('aten.permute.default', { self: tensor(s.input(0)), dims: ints(node.attributes.permutation) }, s.shape),
  softmax: (node, s) =>
    s.call('aten.softmax.int', { self: tensor(s.input(0)), dim: int(node.attributes.axis) }, s.shape),
  maxPool: ({ attributes: a }, s) => {
    const { x, padding } = padded(s, a.padding, -Infinity);
    return s.call(
      'aten.max_pool2d.default',
      { self: tensor(x), kernel_size: ints(a.kernel), stride: ints(a.stride), padding: ints(padding) },
      s.shape,
    );
  },
  averagePool,
  resize,
  mean: ({ attributes: { axes, keepDimensions } }, s) =>
    s.call('aten.mean.dim', { self: tensor(s.input(0)), dim: ints(axes), keepdim: bool(keepDimensions) }, s.shape),
  roll: ({ attributes: { axes, shifts } }, s) =>
    s.call('aten.roll.default', { self: tensor(s.input(0)), shifts: ints(shifts), dims: ints(axes) }, s.shape),
  gather: ({ attributes: { indices } }, s) => {
    const rows = s.constant({ dtype: 'int64', shape: [indices.length], data: BigInt64Array.from(indices, BigInt) });
    return s.call('aten.index_select.default', { self: tensor(s.input(0)), dim: int(0), index: tensor(rows) }, s.shape);
  },
  expand: (_, s) => s.call('aten.expand.default', { self: tensor(s.input(0)), size: s.sizes(s.shape) }, s.shape),
  dropout: (node, s) =>
    s.call(
      'aten.dropout.default',
      { input: tensor(s.input(0)), p: float(node.attributes.probability), train: bool(false) },
      s.shape,
    ),
  // Exported in evaluation: it does nothing there.
  dropPath: (_, s) => s.input(0),
  opaque: keptOperation,
};
