/** One line of PyTorch for every operation of the Graph. */

import { UserError } from '../../common/errors.ts';
import { type ActivationAttributes, activations, slopeOf } from '../graph/activations.ts';
import type { GraphNode } from '../graph/graph.ts';
import type { OperationKind, ParameterRole, Shape, SpatialPadding } from '../graph/operations.ts';
import { resizeMatrix } from '../graph/resize-matrix.ts';
import { listed, PythonCode, py } from './python-writer.ts';

/** What an emitter may ask for: Python expressions of inputs, parameters and constants. */
export interface PythonScope {
  /** Expression of the node's i-th input. */
  input(i: number): PythonCode;
  /** Expression of the module that owns a parameter: `self.layer1[0].conv1`. */
  owner(role: ParameterRole): PythonCode;
  /** Expression of a parameter: `self.cls_token`. */
  parameter(role: ParameterRole): PythonCode;
  /** Expression of a constant kept as a buffer that is not saved. */
  constant(data: Float32Array | Int32Array, shape: readonly number[]): PythonCode;
  /** Expression of the batch size. */
  batch: PythonCode;
  inputShape(i: number): Shape;
}

type Emitter<K extends OperationKind> = (node: GraphNode<K>, scope: PythonScope) => PythonCode;

const isEven = (p: SpatialPadding): boolean => p.top === p.bottom && p.left === p.right;

/** Uneven padding becomes a pad of its own. */
function paddedInput(x: PythonCode, p: SpatialPadding, value = 0): PythonCode {
  return isEven(p) ? x : py`F.pad(${x}, ${[p.left, p.right, p.top, p.bottom]}, value=${value})`;
}

export const evenPadding = (p: SpatialPadding): readonly number[] => (isEven(p) ? [p.top, p.left] : [0, 0]);

/** Target of a reshape: the batch dimension is the one left open. */
const reshapeTarget = (shape: Shape): PythonCode => listed(shape.map((d) => (d < 0 ? -1 : d)));

const sizes = (shape: Shape, batch: PythonCode): PythonCode =>
  listed(shape.map((d) => (d < 0 ? (d === -1 ? batch : py`${-d} * ${batch}`) : d)));

/** PyTorch's function of an activation, with its keywords. */
function activation(attributes: ActivationAttributes, x: PythonCode): PythonCode {
  const { name, keywords } = activations[attributes.function].python;
  const called = PythonCode.join(name.split('.').map(PythonCode.identifier), '.');
  const given = Object.entries(keywords?.(slopeOf(attributes)) ?? {});
  return py`${called}(${listed([x, ...given.map(([key, value]) => py`${PythonCode.identifier(key)}=${value}`)])})`;
}

const everything = py`:`;

const INTERPOLATIONS = { nearest: 'nearest', linear: 'bilinear', cubic: 'bicubic' } as const;

/** PyTorch's function where it has the mode, else a product with a matrix along each axis. */
function resize({ attributes: a }: GraphNode<'resize'>, s: PythonScope): PythonCode {
  const mode = INTERPOLATIONS[a.mode];
  const size = a.scales ? py`scale_factor=${a.scales}` : py`size=${a.size}`;
  const corners = a.coordinates === 'alignCorners';
  if (a.mode === 'nearest' && a.coordinates === 'asymmetric' && (a.rounding ?? 'floor') === 'floor')
    return py`F.interpolate(${s.input(0)}, ${size}, mode=${mode})`;
  if (a.mode === 'nearest' && a.coordinates === 'halfPixel' && a.rounding === 'preferCeil')
    return py`F.interpolate(${s.input(0)}, ${size}, mode=${'nearest-exact'})`;
  if (a.antialias)
    return py`F.interpolate(${s.input(0)}, ${size}, mode=${mode}, align_corners=${corners}, antialias=${true})`;
  if (a.mode !== 'nearest' && (a.coordinates === 'halfPixel' || corners))
    return py`F.interpolate(${s.input(0)}, ${size}, mode=${mode}, align_corners=${corners})`;
  const [, , height, width] = s.inputShape(0);
  const rows = s.constant(resizeMatrix(a, 0, height), [height, a.size[0]]);
  const columns = s.constant(resizeMatrix(a, 1, width), [width, a.size[1]]);
  return py`${rows}.t() @ (${s.input(0)} @ ${columns})`;
}

export const pythonEmitters: { readonly [K in OperationKind]: Emitter<K> } = {
  input: (_, s) => s.input(0),
  parameter: (_, s) => s.parameter('value'),
  constant: (node, s) => s.constant(node.attributes.tensor.data, node.attributes.tensor.shape),
  conv: (node, s) => py`${s.owner('weight')}(${paddedInput(s.input(0), node.attributes.padding)})`,
  convTranspose: ({ attributes: { stride, padding, outputPadding, dilation, groups }, parameters }, s) => {
    const bias = parameters.bias ? s.parameter('bias') : py`None`;
    const even = isEven(padding);
    const plain = py`F.conv_transpose2d(${s.input(0)}, ${s.parameter('weight')}, ${bias}, ${stride}, ${evenPadding(padding)}, ${outputPadding}, ${groups}, ${dilation})`;
    // Uneven padding is cut off afterwards.
    const { top, left, bottom, right } = padding;
    return even ? plain : py`F.pad(${plain}, ${[-left, -right, -top, -bottom]})`;
  },
  linear: (_, s) => py`${s.owner('weight')}(${s.input(0)})`,
  matmul: (node, s) =>
    node.attributes.transposeB
      ? py`${s.input(0)} @ ${s.input(1)}.transpose(-2, -1)`
      : py`${s.input(0)} @ ${s.input(1)}`,
  batchNorm: (_, s) => py`${s.owner('weight')}(${s.input(0)})`,
  layerNorm: (node, s) => {
    const rank = s.inputShape(0).length;
    const { axis } = node.attributes;
    if (axis === rank - 1) return py`${s.owner('weight')}(${s.input(0)})`;
    return py`${s.owner('weight')}(${s.input(0)}.movedim(${axis}, -1)).movedim(-1, ${axis})`;
  },
  groupNorm: ({ attributes: { groups, eps } }, s) =>
    py`F.group_norm(${s.input(0)}, ${groups}, ${s.parameter('weight')}, ${s.parameter('bias')}, ${eps})`,
  activation: (node, s) => activation(node.attributes, s.input(0)),
  add: (_, s) => py`${s.input(0)} + ${s.input(1)}`,
  subtract: (_, s) => py`${s.input(0)} - ${s.input(1)}`,
  multiply: (_, s) => py`${s.input(0)} * ${s.input(1)}`,
  divide: (_, s) => py`${s.input(0)} / ${s.input(1)}`,
  scale: (node, s) => {
    const { by } = node.attributes;
    return typeof by === 'number' ? py`${s.input(0)} * ${by}` : py`${s.input(0)} * ${s.input(0)}.shape[-1] ** -0.5`;
  },
  concat: (node, s) => py`torch.cat(${node.inputs.map((_, i) => s.input(i))}, dim=${node.attributes.axis})`,
  slice: ({ attributes: { axis, start, end, step } }, s) => {
    const range = step === 1 ? py`${start}:${end}` : py`${start}:${end}:${step}`;
    return py`${s.input(0)}[${listed([...new Array<PythonCode>(axis).fill(everything), range])}]`;
  },
  pad: ({ attributes: { axis, before, after } }, s) => {
    const last = s.inputShape(0).length - 1;
    return py`F.pad(${s.input(0)}, ${[...new Array<number>(2 * (last - axis)).fill(0), before, after]})`;
  },
  reshape: (node, s) => py`${s.input(0)}.reshape(${reshapeTarget(node.attributes.shape)})`,
  transpose: (node, s) => py`${s.input(0)}.permute(${listed(node.attributes.permutation)})`,
  softmax: (node, s) => py`${s.input(0)}.softmax(dim=${node.attributes.axis})`,
  maxPool: ({ attributes: { kernel, stride, padding } }, s) => {
    const x = paddedInput(s.input(0), padding, Number.NEGATIVE_INFINITY);
    return py`F.max_pool2d(${x}, ${kernel}, ${stride}, ${evenPadding(padding)})`;
  },
  averagePool: ({ attributes: { kernel, stride, padding, countPadding } }, s) => {
    const x = paddedInput(s.input(0), padding);
    return py`F.avg_pool2d(${x}, ${kernel}, ${stride}, ${evenPadding(padding)}, count_include_pad=${countPadding})`;
  },
  resize,
  mean: ({ attributes: { axes, keepDimensions } }, s) =>
    keepDimensions ? py`${s.input(0)}.mean(dim=${axes}, keepdim=True)` : py`${s.input(0)}.mean(dim=${axes})`,
  roll: ({ attributes: { axes, shifts } }, s) => py`torch.roll(${s.input(0)}, shifts=${shifts}, dims=${axes})`,
  gather: (node, s) => py`${s.input(0)}[${s.constant(node.attributes.indices, [node.attributes.indices.length])}]`,
  expand: (node, s) => py`${s.input(0)}.expand(${sizes(node.attributes.shape, s.batch)})`,
  dropout: (node, s) => py`F.dropout(${s.input(0)}, ${node.attributes.probability}, self.training)`,
  opaque: ({ id, attributes: { operator, reason } }) => {
    throw new UserError(
      `${id} (${operator}) cannot be written as a Python module: ${reason}. Save the model as .pt2 instead.`,
    );
  },
  dropPath: (node, s) => py`drop_path(${s.input(0)}, ${node.attributes.probability}, self.training)`,
};
