/** One line of PyTorch for every operation of the Graph. */
import type { GraphNode } from '../graph/graph.ts';
import type { ActivationFunction, OperationKind, ParameterRole, Shape, SpatialPadding } from '../graph/operations.ts';

/** What an emitter may ask for: Python expressions of inputs, parameters and constants. */
export interface PythonScope {
  /** Expression of the node's i-th input. */
  input(i: number): string;
  /** Expression of the module that owns a parameter: `self.layer1[0].conv1`. */
  owner(role: ParameterRole): string;
  /** Expression of a parameter: `self.cls_token`. */
  parameter(role: ParameterRole): string;
  /** Expression of a constant kept as a buffer that is not saved. */
  constant(data: Float32Array | Int32Array, shape: readonly number[]): string;
  /** Expression of the batch size. */
  batch: string;
  inputShape(i: number): Shape;
}

type Emitter<K extends OperationKind> = (node: GraphNode<K>, scope: PythonScope) => string;

const isEven = (p: SpatialPadding): boolean => p.top === p.bottom && p.left === p.right;
const tuple = (values: readonly (number | string)[]): string =>
  `(${values.join(', ')}${values.length === 1 ? ',' : ''})`;

/** Uneven padding becomes a pad of its own. */
function paddedInput(x: string, p: SpatialPadding, value = '0.0'): string {
  return isEven(p) ? x : `F.pad(${x}, (${p.left}, ${p.right}, ${p.top}, ${p.bottom}), value=${value})`;
}

export const evenPadding = (p: SpatialPadding): string => (isEven(p) ? tuple([p.top, p.left]) : '(0, 0)');

/** Target of a reshape: the batch dimension is the one left open. */
const reshapeTarget = (shape: Shape): string => shape.map((d) => (d < 0 ? -1 : d)).join(', ');

const sizes = (shape: Shape, batch: string): string =>
  shape.map((d) => (d < 0 ? (d === -1 ? batch : `${-d} * ${batch}`) : d)).join(', ');

const activations: { readonly [K in ActivationFunction]: (x: string, slope: number) => string } = {
  relu: (x) => `F.relu(${x})`,
  relu6: (x) => `F.relu6(${x})`,
  leakyRelu: (x, slope) => `F.leaky_relu(${x}, ${slope})`,
  gelu: (x) => `F.gelu(${x})`,
  geluTanh: (x) => `F.gelu(${x}, approximate="tanh")`,
  silu: (x) => `F.silu(${x})`,
  sigmoid: (x) => `torch.sigmoid(${x})`,
  tanh: (x) => `torch.tanh(${x})`,
  hardSwish: (x) => `F.hardswish(${x})`,
  hardSigmoid: (x) => `F.hardsigmoid(${x})`,
};

const index = (axis: number, range: string): string => `${':, '.repeat(axis)}${range}`;
const infix =
  (operator: string): Emitter<OperationKind> =>
  (_, s) =>
    `${s.input(0)} ${operator} ${s.input(1)}`;

export const pythonEmitters: { readonly [K in OperationKind]: Emitter<K> } = {
  input: (_, s) => s.input(0),
  parameter: (_, s) => s.parameter('value'),
  constant: (node, s) => s.constant(node.attributes.tensor.data, node.attributes.tensor.shape),
  conv: (node, s) => `${s.owner('weight')}(${paddedInput(s.input(0), node.attributes.padding)})`,
  linear: (_, s) => `${s.owner('weight')}(${s.input(0)})`,
  matmul: (node, s) => `${s.input(0)} @ ${s.input(1)}${node.attributes.transposeB ? '.transpose(-2, -1)' : ''}`,
  batchNorm: (_, s) => `${s.owner('weight')}(${s.input(0)})`,
  layerNorm: (node, s) => {
    const rank = s.inputShape(0).length;
    const { axis } = node.attributes;
    if (axis === rank - 1) return `${s.owner('weight')}(${s.input(0)})`;
    return `${s.owner('weight')}(${s.input(0)}.movedim(${axis}, -1)).movedim(-1, ${axis})`;
  },
  activation: (node, s) => activations[node.attributes.function](s.input(0), node.attributes.slope ?? 0.01),
  add: infix('+'),
  subtract: infix('-'),
  multiply: infix('*'),
  divide: infix('/'),
  scale: (node, s) => {
    const { by } = node.attributes;
    return `${s.input(0)} * ${typeof by === 'number' ? by : `${s.input(0)}.shape[-1] ** -0.5`}`;
  },
  concat: (node, s) => `torch.cat((${node.inputs.map((_, i) => s.input(i)).join(', ')}), dim=${node.attributes.axis})`,
  slice: ({ attributes: { axis, start, end, step } }, s) =>
    `${s.input(0)}[${index(axis, `${start}:${end}${step === 1 ? '' : `:${step}`}`)}]`,
  pad: ({ attributes: { axis, before, after } }, s) => {
    const last = s.inputShape(0).length - 1;
    return `F.pad(${s.input(0)}, (${'0, 0, '.repeat(last - axis)}${before}, ${after}))`;
  },
  reshape: (node, s) => `${s.input(0)}.reshape(${reshapeTarget(node.attributes.shape)})`,
  transpose: (node, s) => `${s.input(0)}.permute(${node.attributes.permutation.join(', ')})`,
  softmax: (node, s) => `${s.input(0)}.softmax(dim=${node.attributes.axis})`,
  maxPool: ({ attributes: { kernel, stride, padding } }, s) =>
    `F.max_pool2d(${paddedInput(s.input(0), padding, 'float("-inf")')}, ${tuple(kernel)}, ${tuple(stride)}, ${evenPadding(padding)})`,
  averagePool: ({ attributes: { kernel, stride, padding, countPadding } }, s) =>
    `F.avg_pool2d(${paddedInput(s.input(0), padding)}, ${tuple(kernel)}, ${tuple(stride)}, ${evenPadding(padding)}, count_include_pad=${countPadding ? 'True' : 'False'})`,
  mean: ({ attributes: { axes, keepDimensions } }, s) =>
    `${s.input(0)}.mean(dim=${tuple(axes)}${keepDimensions ? ', keepdim=True' : ''})`,
  roll: ({ attributes: { axes, shifts } }, s) =>
    `torch.roll(${s.input(0)}, shifts=${tuple(shifts)}, dims=${tuple(axes)})`,
  gather: (node, s) => `${s.input(0)}[${s.constant(node.attributes.indices, [node.attributes.indices.length])}]`,
  expand: (node, s) => `${s.input(0)}.expand(${sizes(node.attributes.shape, s.batch)})`,
  dropout: (node, s) => `F.dropout(${s.input(0)}, ${node.attributes.probability}, self.training)`,
  dropPath: (node, s) => `drop_path(${s.input(0)}, ${node.attributes.probability}, self.training)`,
};
