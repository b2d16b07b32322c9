/** Attributes of every operation after pruning, recomputed from what stays of its dimensions. */
import type { GraphNode } from '../../graph/graph.ts';
import type { OperationAttributes, OperationKind } from '../../graph/operations.ts';
import type { Groups, LeafId } from '../coupling/groups.ts';
import { gatherTensor } from './gather.ts';
import type { KeptEntries } from './kept.ts';

interface RebuildContext<K extends OperationKind> {
  readonly node: GraphNode<K>;
  readonly kept: KeptEntries;
  /** Leaves of the output's dimensions, of each input's and of the weight's. */
  readonly output: readonly (readonly LeafId[])[];
  readonly inputs: readonly (readonly (readonly LeafId[])[])[];
  readonly weight: readonly (readonly LeafId[])[];
}

/** Recomputes one node's attributes. */
type Rebuild<K extends OperationKind> = (context: RebuildContext<K>) => OperationAttributes[K];

const same = <K extends OperationKind>({ node }: RebuildContext<K>): OperationAttributes[K] =>
  node.attributes as OperationAttributes[K];

const shapeOf = ({ kept, output }: RebuildContext<'reshape' | 'expand'>): { shape: readonly number[] } => ({
  shape: output.map((leaves) => kept.size(leaves)),
});

/** How many entries of a dimension stay that are in [start, end). */
function keptBetween(kept: KeptEntries, leaves: readonly LeafId[], start: number, end: number): number {
  const indices = kept.of(leaves);
  if (!indices) return Math.max(0, end - start);
  let count = 0;
  for (const index of indices) if (index >= start && index < end) count++;
  return count;
}

const rebuilds: { readonly [K in OperationKind]: Rebuild<K> } = {
  input: same,
  parameter: same,
  constant: ({ node, kept, output }) => ({
    tensor: gatherTensor(
      node.attributes.tensor,
      output.map((leaves) => kept.of(leaves)),
    ),
  }),
  conv: ({ node, kept, inputs, weight }) => ({
    ...node.attributes,
    groups: kept.size(inputs[0][1]) / kept.size(weight[1]),
  }),
  convTranspose: ({ node, kept, output, weight }) => ({
    ...node.attributes,
    groups: kept.size(output[1]) / kept.size(weight[1]),
  }),
  linear: same,
  matmul: same,
  batchNorm: same,
  layerNorm: same,
  // Groups of several channels stay; groups of one are as many as the channels.
  groupNorm: ({ node, kept, output }) => {
    const { groups, eps } = node.attributes;
    return { eps, groups: groups === kept.full(output[1]) ? kept.size(output[1]) : groups };
  },
  activation: same,
  add: same,
  subtract: same,
  multiply: same,
  divide: same,
  scale: same,
  concat: same,
  slice: ({ node, kept, inputs }) => {
    const { axis, start, end, step } = node.attributes;
    const leaves = inputs[0][axis];
    if (!kept.of(leaves)) return node.attributes;
    const first = keptBetween(kept, leaves, 0, start);
    return { axis, start: first, end: first + keptBetween(kept, leaves, start, end), step };
  },
  pad: ({ node, kept, output }) => {
    const { axis, before, after } = node.attributes;
    const leaves = output[axis];
    if (!kept.of(leaves)) return node.attributes;
    const full = kept.full(leaves);
    return {
      axis,
      before: keptBetween(kept, leaves, 0, before),
      after: keptBetween(kept, leaves, full - after, full),
    };
  },
  reshape: shapeOf,
  transpose: same,
  softmax: same,
  maxPool: same,
  averagePool: same,
  resize: same,
  mean: same,
  roll: ({ node, kept, output }) => {
    const { axes, shifts } = node.attributes;
    // The first `shift` entries of the output are the last of the input: still so, of those that stay.
    const shiftOf = (shift: number, leaves: readonly LeafId[]): number => {
      const full = kept.full(leaves);
      return kept.of(leaves) ? keptBetween(kept, leaves, 0, ((shift % full) + full) % full) : shift;
    };
    return { axes, shifts: shifts.map((shift, i) => shiftOf(shift, output[axes[i]])) };
  },
  gather: same,
  expand: shapeOf,
  dropout: same,
  dropPath: same,
  opaque: same,
};

/** The node as it is in the pruned network: same name, inputs and parameters, attributes that fit what stays. */
export function rebuildNode(node: GraphNode, groups: Groups, kept: KeptEntries): GraphNode {
  const leavesOf = (id: string): readonly (readonly LeafId[])[] => groups.values.get(id) ?? [];
  const attributes = (rebuilds[node.kind] as Rebuild<OperationKind>)({
    node,
    kept,
    output: leavesOf(node.id),
    inputs: node.inputs.map(leavesOf),
    weight: groups.parameters.get(node.parameters.weight ?? '') ?? [],
  });
  return attributes === node.attributes ? node : ({ ...node, attributes } as GraphNode);
}
