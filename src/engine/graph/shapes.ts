/** Shape inference: one rule an operation, with the batch size symbolic (−k means k · N). */
import type { Graph, GraphNode, ValueId } from './graph.ts';
import type { Dimension, OperationKind, Pair, Shape, SpatialPadding } from './operations.ts';

/** A node whose inputs or parameters do not fit: names the node and says what was found. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
  constructor(node: { id: string; kind: string }, problem: string) {
    super(`${node.id || '(root)'} (${node.kind}): ${problem}`);
  }
}

export const formatShape = (shape: Shape): string =>
  `[${shape.map((d) => (d < 0 ? (d === -1 ? 'N' : `${-d}N`) : String(d))).join(', ')}]`;

/** Size of a shape for one image: −k counts k. */
export function sizePerImage(shape: Shape): number {
  let size = 1;
  for (const d of shape) size *= Math.abs(d);
  return size;
}

/** The shape with a batch size filled in. */
export const withBatch = (shape: Shape, batch: number): number[] => shape.map((d) => (d < 0 ? -d * batch : d));

type ParameterShapes = (role: string) => readonly number[] | undefined;
type ShapeRule<K extends OperationKind> = (
  node: GraphNode<K>,
  inputs: readonly Shape[],
  parameters: ParameterShapes,
) => Shape;

/** Places of a window along one side; `pads` of both ends together. */
export const windowPlaces = (size: number, kernel: number, stride: number, dilation: number, pads: number): number =>
  Math.floor((size + pads - dilation * (kernel - 1) - 1) / stride) + 1;

function windowed(
  node: GraphNode,
  input: Shape,
  channels: number,
  w: { kernel: Pair; stride: Pair; padding: SpatialPadding; dilation?: Pair },
): Shape {
  if (input.length !== 4) throw new ShapeError(node, `needs [N, C, H, W], got ${formatShape(input)}`);
  const { padding: p, dilation = [1, 1] } = w;
  const height = windowPlaces(input[2], w.kernel[0], w.stride[0], dilation[0], p.top + p.bottom);
  const width = windowPlaces(input[3], w.kernel[1], w.stride[1], dilation[1], p.left + p.right);
  if (height < 1 || width < 1) throw new ShapeError(node, `input ${formatShape(input)} is smaller than the kernel`);
  return [input[0], channels, height, width];
}

/** PyTorch's broadcasting of two shapes, from the right; undefined where they do not fit. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const sizes = Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    return x === y || y === 1 ? x : x === 1 ? y : undefined;
  });
  return sizes.includes(undefined) ? undefined : (sizes as number[]);
}

/** The same of a node's inputs. */
export function broadcastShapes(node: { id: string; kind: string }, a: Shape, b: Shape): Shape {
  const shape = broadcastShape(a, b);
  if (!shape) throw new ShapeError(node, `${formatShape(a)} and ${formatShape(b)} do not broadcast`);
  return shape;
}

const binary = (node: GraphNode, [a, b]: readonly Shape[]): Shape => broadcastShapes(node, a, b);
const same = (_: GraphNode, [x]: readonly Shape[]): Shape => x;
const replaced = (shape: Shape, axis: number, size: Dimension): Shape => shape.map((d, i) => (i === axis ? size : d));

function need(node: GraphNode, parameters: ParameterShapes, role: string): readonly number[] {
  const shape = parameters(role);
  if (!shape) throw new ShapeError(node, `has no parameter for its ${role}`);
  return shape;
}

function perChannel(node: GraphNode, size: Dimension, parameters: ParameterShapes, roles: readonly string[]): void {
  for (const role of roles) {
    const shape = parameters(role);
    if (shape && (shape.length !== 1 || shape[0] !== size))
      throw new ShapeError(node, `${role} is ${formatShape(shape)}, the normalised dimension has ${size} entries`);
  }
}

const shapeRules: { readonly [K in OperationKind]: ShapeRule<K> } = {
  input: (node) => node.attributes.shape,
  parameter: (node, _, parameters) => need(node, parameters, 'value'),
  constant: (node) => node.attributes.tensor.shape,
  conv: (node, [x], parameters) => {
    const { groups, kernel } = node.attributes;
    const [out, perGroup, kh, kw] = need(node, parameters, 'weight');
    if (x[1] !== perGroup * groups)
      throw new ShapeError(node, `weight takes ${perGroup * groups} channels, the input has ${x[1]}`);
    if (kh !== kernel[0] || kw !== kernel[1])
      throw new ShapeError(node, `weight is ${kh}×${kw}, the kernel ${kernel.join('×')}`);
    if (out % groups !== 0) throw new ShapeError(node, `${out} outputs do not divide into ${groups} groups`);
    perChannel(node, out, parameters, ['bias']);
    return windowed(node, x, out, node.attributes);
  },
  convTranspose: (node, [x], parameters) => {
    const { groups, kernel, stride, dilation, outputPadding, padding: p } = node.attributes;
    const [into, perGroup, kh, kw] = need(node, parameters, 'weight');
    if (x.length !== 4) throw new ShapeError(node, `needs [N, C, H, W], got ${formatShape(x)}`);
    if (x[1] !== into) throw new ShapeError(node, `weight takes ${into} channels, the input has ${x[1]}`);
    if (kh !== kernel[0] || kw !== kernel[1])
      throw new ShapeError(node, `weight is ${kh}×${kw}, the kernel ${kernel.join('×')}`);
    if (into % groups !== 0) throw new ShapeError(node, `${into} inputs do not divide into ${groups} groups`);
    perChannel(node, perGroup * groups, parameters, ['bias']);
    const pads = [p.top + p.bottom, p.left + p.right];
    const size = (i: 0 | 1): number =>
      (x[i + 2] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 + outputPadding[i] - pads[i];
    if (size(0) < 1 || size(1) < 1) throw new ShapeError(node, 'nothing is left inside its padding');
    return [x[0], perGroup * groups, size(0), size(1)];
  },
  linear: (node, [x], parameters) => {
    const [out, into] = need(node, parameters, 'weight');
    if (x.at(-1) !== into) throw new ShapeError(node, `weight takes ${into} features, the input has ${x.at(-1)}`);
    perChannel(node, out, parameters, ['bias']);
    return [...x.slice(0, -1), out];
  },
  matmul: (node, [a, b]) => {
    const [bRows, bColumns] = node.attributes.transposeB ? [b.at(-1), b.at(-2)] : [b.at(-2), b.at(-1)];
    if (a.length < 2 || b.length < 2 || a.at(-1) !== bRows)
      throw new ShapeError(node, `cannot multiply ${formatShape(a)} by ${formatShape(b)}`);
    return [...broadcastShapes(node, a.slice(0, -2), b.slice(0, -2)), a.at(-2) as number, bColumns as number];
  },
  batchNorm: (node, [x], parameters) => {
    perChannel(node, x[1], parameters, ['weight', 'bias', 'runningMean', 'runningVar']);
    return x;
  },
  layerNorm: (node, [x], parameters) => {
    perChannel(node, x[node.attributes.axis], parameters, ['weight', 'bias']);
    return x;
  },
  groupNorm: (node, [x], parameters) => {
    const { groups } = node.attributes;
    if (x.length < 3 || x[1] % groups !== 0)
      throw new ShapeError(node, `${formatShape(x)} does not divide into ${groups} groups of channels`);
    perChannel(node, x[1], parameters, ['weight', 'bias']);
    return x;
  },
  activation: same,
  add: binary,
  subtract: binary,
  multiply: binary,
  divide: binary,
  scale: same,
  concat: (node, inputs) => {
    const { axis } = node.attributes;
    const [first] = inputs;
    for (const other of inputs)
      if (other.length !== first.length || other.some((d, i) => i !== axis && d !== first[i]))
        throw new ShapeError(node, `cannot join ${inputs.map(formatShape).join(' and ')} on dimension ${axis}`);
    return replaced(
      first,
      axis,
      inputs.reduce((sum, s) => sum + s[axis], 0),
    );
  },
  slice: (node, [x]) => {
    const { axis, start, end, step } = node.attributes;
    if (start < 0 || end > x[axis] || start >= end || step < 1)
      throw new ShapeError(node, `${start}:${end}:${step} does not lie in ${x[axis]} entries`);
    return replaced(x, axis, Math.ceil((end - start) / step));
  },
  pad: (node, [x]) => {
    const { axis, before, after } = node.attributes;
    if (before < 0 || after < 0) throw new ShapeError(node, `negative padding ${before}, ${after}`);
    return replaced(x, axis, x[axis] + before + after);
  },
  reshape: (node, [x]) => {
    const { shape } = node.attributes;
    const batches = (s: Shape): number => s.filter((d) => d < 0).length;
    if (sizePerImage(x) !== sizePerImage(shape) || batches(x) !== batches(shape))
      throw new ShapeError(node, `cannot reshape ${formatShape(x)} to ${formatShape(shape)}`);
    return shape;
  },
  transpose: (node, [x]) => {
    const { permutation } = node.attributes;
    if (permutation.length !== x.length || new Set(permutation).size !== x.length)
      throw new ShapeError(node, `permutation ${permutation} does not fit ${formatShape(x)}`);
    return permutation.map((i) => x[i]);
  },
  softmax: same,
  maxPool: (node, [x]) => windowed(node, x, x[1], node.attributes),
  averagePool: (node, [x]) => windowed(node, x, x[1], node.attributes),
  resize: (node, [x]) => {
    if (x.length !== 4) throw new ShapeError(node, `needs [N, C, H, W], got ${formatShape(x)}`);
    return [x[0], x[1], ...node.attributes.size];
  },
  mean: (node, [x]) => {
    const { axes, keepDimensions } = node.attributes;
    if (keepDimensions) return x.map((d, i) => (axes.includes(i) ? 1 : d));
    return x.filter((_, i) => !axes.includes(i));
  },
  roll: same,
  gather: (node, [table]) => [node.attributes.indices.length, ...table.slice(1)],
  expand: (node, [x]) => {
    const { shape } = node.attributes;
    broadcastShapes(node, x, shape).forEach((d, i) => {
      if (d !== shape[i]) throw new ShapeError(node, `cannot expand ${formatShape(x)} to ${formatShape(shape)}`);
    });
    return shape;
  },
  dropout: same,
  dropPath: same,
  opaque: (node) => node.attributes.shape,
};

/** Applies the node's rule. The cast is the one place where a table entry is taken by a kind known only at run time. */
export function nodeShape(node: GraphNode, inputs: readonly Shape[], parameters: ParameterShapes): Shape {
  return (shapeRules[node.kind] as ShapeRule<OperationKind>)(node, inputs, parameters);
}

/**
 * Shape of every value. Throws ShapeError at the first node that does not fit.
 * @param before is shown each node with the shapes of its inputs, before its own shape is taken
 */
export function inferShapes(
  graph: Graph,
  before?: (node: GraphNode, inputs: readonly Shape[]) => void,
): ReadonlyMap<ValueId, Shape> {
  const parameters = new Map(graph.parameters.map((p) => [p.name, p.shape]));
  const shapes = new Map<ValueId, Shape>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => {
      const shape = shapes.get(id);
      if (!shape) throw new ShapeError(node, `its input ${id} is not computed before it`);
      return shape;
    });
    before?.(node, inputs);
    shapes.set(
      node.id,
      nodeShape(node, inputs, (role) => parameters.get(node.parameters[role as keyof typeof node.parameters] ?? '')),
    );
  }
  return shapes;
}
