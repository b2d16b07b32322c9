/**
 * Which dimensions of a value are channels: what a convolution or linear layer produced, followed through reshapes.
 *
 * For drawing only (the width of a ribbon). What may be pruned is decided by the coupling, which is exact.
 */
import type { Graph, GraphNode, ValueId } from '../engine/graph/graph.ts';
import type { OperationKind, Shape } from '../engine/graph/operations.ts';

type Axes = readonly number[];

interface Inputs {
  readonly shapes: readonly Shape[];
  readonly axes: readonly Axes[];
  readonly output: Shape;
}

type Rule<K extends OperationKind> = (node: GraphNode<K>, inputs: Inputs) => Axes;

const first = (_: GraphNode, { axes }: Inputs): Axes => axes[0];
const last = (_: GraphNode, { output }: Inputs): Axes => [output.length - 1];

/** Of several inputs the one with the most channel dimensions counts, moved as broadcasting aligns it. */
const broadcast = (_: GraphNode, { axes, shapes, output }: Inputs): Axes => {
  const moved = axes.map((own, i) =>
    own.map((axis) => axis + output.length - shapes[i].length).filter((axis) => axis >= 0),
  );
  return moved.reduce((best, own) => (own.length > best.length ? own : best), []);
};

/** Follows channel dimensions through a reshape: dimensions between two common products belong together. */
export function reshapedAxes(from: Shape, to: Shape, axes: Axes): Axes {
  const found: number[] = [];
  let i = 0;
  let j = 0;
  while (i < from.length && j < to.length) {
    const [startIn, startOut] = [i, j];
    let [left, right] = [Math.abs(from[i++]), Math.abs(to[j++])];
    while (left !== right) {
      if (left < right && i < from.length) left *= Math.abs(from[i++]);
      else if (right < left && j < to.length) right *= Math.abs(to[j++]);
      else return found;
    }
    const carriesChannels = axes.some((axis) => axis >= startIn && axis < i);
    if (!carriesChannels) continue;
    for (let axis = startOut; axis < j; axis++) if (to[axis] > 1 || j - startOut === 1) found.push(axis);
  }
  return found;
}

const rules: { readonly [K in OperationKind]: Rule<K> } = {
  input: () => [1],
  parameter: last,
  constant: () => [],
  conv: () => [1],
  convTranspose: () => [1],
  linear: last,
  matmul: (node, { axes, shapes, output }) => {
    const rank = output.length;
    const leading = axes[0].filter((axis) => axis < shapes[0].length - 2);
    const columns = shapes[1].length - (node.attributes.transposeB ? 2 : 1);
    return axes[1].includes(columns) ? [...leading, rank - 1] : leading;
  },
  batchNorm: () => [1],
  layerNorm: (node) => [node.attributes.axis],
  groupNorm: () => [1],
  activation: first,
  add: broadcast,
  subtract: broadcast,
  multiply: broadcast,
  divide: broadcast,
  scale: first,
  concat: (_, { axes }) => axes.reduce((best, own) => (own.length > best.length ? own : best), []),
  slice: first,
  pad: first,
  reshape: (_, { axes, shapes, output }) => reshapedAxes(shapes[0], output, axes[0]),
  transpose: (node, { axes }) =>
    node.attributes.permutation.flatMap((from, to) => (axes[0].includes(from) ? [to] : [])),
  softmax: first,
  maxPool: first,
  averagePool: first,
  resize: first,
  mean: (node, { axes, shapes }) => {
    if (node.attributes.keepDimensions) return axes[0];
    const kept = shapes[0].map((_, axis) => axis).filter((axis) => !node.attributes.axes.includes(axis));
    return kept.flatMap((from, to) => (axes[0].includes(from) ? [to] : []));
  },
  roll: first,
  gather: (_, { output }) => [output.length - 1],
  expand: broadcast,
  dropout: first,
  dropPath: first,
  opaque: () => [],
};

/** Channel dimensions of every value. */
export function channelAxes(graph: Graph, shapes: ReadonlyMap<ValueId, Shape>): ReadonlyMap<ValueId, Axes> {
  const axes = new Map<ValueId, Axes>();
  for (const node of graph.nodes) {
    const rule = rules[node.kind] as Rule<OperationKind>;
    axes.set(
      node.id,
      rule(node, {
        shapes: node.inputs.map((id) => shapes.get(id) as Shape),
        axes: node.inputs.map((id) => axes.get(id) ?? []),
        output: shapes.get(node.id) as Shape,
      }),
    );
  }
  return axes;
}

/** Channels of a value: the product of its channel dimensions; 0 where it has none. */
export function channelCount(shape: Shape, axes: Axes): number {
  return axes.length ? axes.reduce((product, axis) => product * Math.abs(shape[axis]), 1) : 0;
}
