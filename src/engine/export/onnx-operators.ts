/** The Graph's operations as ONNX's operators (opset 17 and later), one rule for each. */

import { UserError } from '../../common/errors.ts';
import { FOLLOWS_SIZES } from '../checkpoint/onnx/names.ts';
import { type ActivationAttributes, activate, activations, slopeOf } from '../graph/activations.ts';
import type { GraphNode } from '../graph/graph.ts';
import type { OperationKind, Shape, SpatialPadding } from '../graph/operations.ts';
import { onOnnx, writeExpression } from './onnx-elementwise.ts';
import { resize } from './onnx-resize.ts';
import type { OnnxScope } from './onnx-scope.ts';

export type Emitter<K extends OperationKind> = (node: GraphNode<K>, scope: OnnxScope) => void;

const pads = (p: SpatialPadding): readonly number[] => [p.top, p.left, p.bottom, p.right];
const withoutBatch = (shape: Shape): number[] => shape.map((d) => (d < 0 ? -1 : d));

/** ONNX's own operator where there is one, else the arithmetic. */
function emitActivation(attributes: ActivationAttributes, s: OnnxScope): void {
  const { onnx } = activations[attributes.function];
  const x = s.input(0);
  if (!onnx) {
    const number = (value: number): string => s.writer.scalar(`number_${value}`, value);
    writeExpression(activate(onOnnx, attributes, { name: x }), { ...s, number });
    return;
  }
  const numbers = Object.entries(onnx.attributes?.(slopeOf(attributes)) ?? {});
  s.result(onnx.operator, [x], Object.fromEntries(numbers.map(([name, float]) => [name, { float }])));
}

const binary =
  (type: string): Emitter<OperationKind> =>
  (_, s) =>
    s.result(type, [s.input(0), s.input(1)]);
const identity: Emitter<OperationKind> = (_, s) => s.result('Identity', [s.input(0)]);

/** Windows of one pixel take pixels out: written as a pooling, ONNX Runtime would put a padding before it into it, which has no place there. */
function takesPixels({ id, attributes }: GraphNode<'maxPool' | 'averagePool'>, s: OnnxScope): boolean {
  const { kernel, stride, padding } = attributes;
  if (kernel[0] !== 1 || kernel[1] !== 1 || pads(padding).some(Boolean)) return false;
  const bounds = [[0, 0], s.inputShape(0).slice(2), [2, 3], stride];
  s.result('Slice', [s.input(0), ...bounds.map((values, i) => s.writer.integers(`${id}.${i}`, [...values]))]);
  return true;
}

/** Swaps the last two dimensions of a value of this rank. */
const swapLast = (rank: number): number[] => {
  const order = Array.from({ length: rank }, (_, i) => i);
  return [...order.slice(0, -2), rank - 1, rank - 2];
};
const moveAxis = (rank: number, from: number, to: number): number[] => {
  const order = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== from);
  order.splice(to, 0, from);
  return order;
};

export const emitters: { readonly [K in OperationKind]: Emitter<K> } = {
  input: () => undefined,
  parameter: (_, s) => s.result('Identity', [s.parameter('value')]),
  // Not an initialiser: nobody trains it.
  constant: (node, s) => s.result('Constant', [], { value: node.attributes }),
  conv: (node, s) => {
    const { kernel, stride, padding, dilation, groups } = node.attributes;
    const bias = node.parameters.bias ? [s.parameter('bias')] : [];
    const attributes = {
      kernel_shape: kernel,
      strides: stride,
      pads: pads(padding),
      dilations: dilation,
      group: groups,
    };
    s.result('Conv', [s.input(0), s.parameter('weight'), ...bias], attributes);
  },
  convTranspose: (node, s) => {
    const { kernel, stride, padding, outputPadding, dilation, groups } = node.attributes;
    const bias = node.parameters.bias ? [s.parameter('bias')] : [];
    s.result('ConvTranspose', [s.input(0), s.parameter('weight'), ...bias], {
      kernel_shape: kernel,
      strides: stride,
      pads: pads(padding),
      output_padding: outputPadding,
      dilations: dilation,
      group: groups,
    });
  },
  linear: (node, s) => {
    const bias = node.parameters.bias ? [s.parameter('bias')] : [];
    if (s.inputShape(0).length === 2) {
      s.result('Gemm', [s.input(0), s.parameter('weight'), ...bias], { transB: 1 });
      return;
    }
    const product = [s.input(0), s.op('Transpose', [s.parameter('weight')], { perm: [1, 0] })];
    if (bias.length) s.result('Add', [s.op('MatMul', product), ...bias]);
    else s.result('MatMul', product);
  },
  matmul: (node, s) => {
    const b = node.attributes.transposeB
      ? s.op('Transpose', [s.input(1)], { perm: swapLast(s.inputShape(1).length) })
      : s.input(1);
    s.result('MatMul', [s.input(0), b]);
  },
  batchNorm: (node, s) => {
    const roles = ['weight', 'bias', 'runningMean', 'runningVar'] as const;
    s.result('BatchNormalization', [s.input(0), ...roles.map((role) => s.parameter(role))], {
      epsilon: { float: node.attributes.eps },
    });
  },
  layerNorm: (node, s) => {
    const rank = s.inputShape(0).length;
    const { axis, eps } = node.attributes;
    const attributes = { axis: -1, epsilon: { float: eps } };
    const parameters = [s.parameter('weight'), s.parameter('bias')];
    if (axis === rank - 1) {
      s.result('LayerNormalization', [s.input(0), ...parameters], attributes);
      return;
    }
    const last = s.op('Transpose', [s.input(0)], { perm: moveAxis(rank, axis, rank - 1) });
    const y = s.op('LayerNormalization', [last, ...parameters], attributes);
    s.result('Transpose', [y], { perm: moveAxis(rank, rank - 1, axis) });
  },
  // GroupNormalization came with a later operator set: an instance norm of each group's channels as one long row says the same.
  groupNorm: (node, s) => {
    const { groups, eps } = node.attributes;
    const [, channels, ...positions] = s.inputShape(0);
    const integers = (name: string, values: readonly number[]): string =>
      s.writer.integers(`${node.id}.${name}`, values);
    const grouped = s.op('Reshape', [s.input(0), integers('grouped', [0, groups, -1])]);
    const filled = (name: string, value: number): string =>
      s.writer.float(`${node.id}.${name}`, [groups], new Float32Array(groups).fill(value));
    const y = s.op('InstanceNormalization', [grouped, filled('ones', 1), filled('zeros', 0)], {
      epsilon: { float: eps },
    });
    const back = s.op('Reshape', [y, integers('shape', [-1, channels, ...positions])]);
    const [weight, bias] = (['weight', 'bias'] as const).map((role) =>
      s.op('Reshape', [s.parameter(role), integers(role, [channels, ...positions.map(() => 1)])]),
    );
    s.result('Add', [s.op('Mul', [back, weight]), bias]);
  },
  activation: (node, s) => emitActivation(node.attributes, s),
  add: binary('Add'),
  subtract: binary('Sub'),
  multiply: binary('Mul'),
  divide: binary('Div'),
  scale: (node, s) => {
    const { by } = node.attributes;
    const [name, factor] =
      typeof by === 'number' ? ['.factor', by] : [FOLLOWS_SIZES, (s.inputShape(0).at(-1) as number) ** -0.5];
    s.result('Mul', [s.input(0), s.writer.scalar(`${node.id}${name}`, factor)]);
  },
  concat: (node, s) =>
    s.result(
      'Concat',
      node.inputs.map((_, i) => s.input(i)),
      { axis: node.attributes.axis },
    ),
  slice: ({ id, attributes: { axis, start, end, step } }, s) => {
    const one = (name: string, value: number): string => s.writer.integers(`${id}.${name}`, [value]);
    s.result('Slice', [s.input(0), one('start', start), one('end', end), one('axis', axis), one('step', step)]);
  },
  pad: ({ id, attributes: { axis, before, after } }, s) => {
    const rank = s.inputShape(0).length;
    const amounts = new Array<number>(2 * rank).fill(0);
    amounts[axis] = before;
    amounts[rank + axis] = after;
    s.result('Pad', [s.input(0), s.writer.integers(`${id}.pads`, amounts)]);
  },
  reshape: (node, s) =>
    s.result('Reshape', [s.input(0), s.writer.integers(`${node.id}.shape`, withoutBatch(node.attributes.shape))]),
  transpose: (node, s) => s.result('Transpose', [s.input(0)], { perm: node.attributes.permutation }),
  softmax: (node, s) => s.result('Softmax', [s.input(0)], { axis: node.attributes.axis }),
  maxPool: (node, s) => {
    const { kernel, stride, padding } = node.attributes;
    if (!takesPixels(node, s))
      s.result('MaxPool', [s.input(0)], { kernel_shape: kernel, strides: stride, pads: pads(padding) });
  },
  averagePool: (node, s) => {
    const { kernel, stride, padding, countPadding } = node.attributes;
    const counted = { count_include_pad: countPadding ? 1 : 0 };
    if (!takesPixels(node, s))
      s.result('AveragePool', [s.input(0)], { kernel_shape: kernel, strides: stride, pads: pads(padding), ...counted });
  },
  resize,
  mean: ({ id, attributes: { axes, keepDimensions } }, s) => {
    const keepdims = keepDimensions ? 1 : 0;
    // From opset 18 on the axes are an input.
    if (s.writer.opset < 18) s.result('ReduceMean', [s.input(0)], { axes, keepdims });
    else s.result('ReduceMean', [s.input(0), s.writer.integers(`${id}.axes`, axes)], { keepdims });
  },
  roll: (node, s) => {
    // ONNX has no roll: one cut and join a dimension.
    const shape = s.inputShape(0);
    let x = s.input(0);
    node.attributes.axes.forEach((axis, i) => {
      const size = shape[axis];
      const cut = (((size - node.attributes.shifts[i]) % size) + size) % size;
      const part = (start: number, end: number): string =>
        s.op('Slice', [x, ...[start, end, axis].map((v, k) => s.writer.integers(`${node.id}.${i}.${k}`, [v]))]);
      x = s.op('Concat', [part(cut, size), part(0, cut)], { axis });
    });
    s.result('Identity', [x]);
  },
  gather: (node, s) =>
    s.result('Gather', [s.input(0), s.writer.integers(`${node.id}.indices`, node.attributes.indices)], { axis: 0 }),
  // Expand to 1 wherever the size is the batch's: broadcasting does the rest, but concatenation needs the real size.
  expand: (node, s) => {
    const { shape } = node.attributes;
    const images = s.op('Shape', [s.images], { start: 0, end: 1 });
    const parts = shape.map((d, i) => {
      if (d >= 0) return s.writer.integers(`${node.id}.${i}`, [d]);
      return d === -1 ? images : s.op('Mul', [images, s.writer.integers(`${node.id}.${i}`, [-d])]);
    });
    s.result('Expand', [s.input(0), s.op('Concat', parts, { axis: 0 })]);
  },
  dropout: identity,
  dropPath: identity,
  opaque: ({ id, attributes: { operator, reason } }) => {
    throw new UserError(`${id} (${operator}) cannot be written as ONNX: ${reason}. Save the model as .pt2 instead.`);
  },
};
