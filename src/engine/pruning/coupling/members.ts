/** Axes of the parameters and the layers they belong to: what a group's members are taken from. */
import type { Graph, GraphNode } from '../../graph/graph.ts';
import { isLayerKind, type LayerKind, type ParameterRole } from '../../graph/operations.ts';
import type { Axis, LeafId, Member, Side } from './groups.ts';

/** A member before it is known how much of it belongs to a group. `leaves`: of the layer's own axis, not only the parameter's. */
export interface Candidate extends Omit<Member, 'count'> {
  /** Leaves of the value's axis: a grouped convolution's input has groups that its weight has not. */
  readonly leaves: readonly LeafId[];
}

type DimensionsOf = (parameter: string) => readonly (readonly LeafId[])[];

interface MemberSpec {
  readonly role: ParameterRole;
  readonly dimension: number;
  readonly side: Side;
}

const OUT_AND_IN: readonly MemberSpec[] = [
  { role: 'weight', dimension: 0, side: 'out' },
  { role: 'weight', dimension: 1, side: 'in' },
];
const SCALE: readonly MemberSpec[] = [{ role: 'weight', dimension: 0, side: 'out' }];

/** By which dimensions of its parameters a layer is a member of groups. */
const MEMBERS: { readonly [K in LayerKind]: readonly MemberSpec[] } = {
  conv: OUT_AND_IN,
  convTranspose: [
    { role: 'weight', dimension: 1, side: 'out' },
    { role: 'weight', dimension: 0, side: 'in' },
  ],
  linear: OUT_AND_IN,
  batchNorm: SCALE,
  layerNorm: SCALE,
  groupNorm: SCALE,
};

/** Members that the nodes of a Graph can be, in Graph order. */
export function memberCandidates(
  graph: Graph,
  parameters: DimensionsOf,
  inputLeaves: (node: GraphNode) => readonly (readonly LeafId[])[],
): Candidate[] {
  return graph.nodes.flatMap((node): Candidate[] => {
    if (node.kind === 'parameter') return bareMembers(node, parameters);
    const { kind: layer } = node;
    if (!isLayerKind(layer)) return [];
    return MEMBERS[layer].flatMap((spec) => {
      const parameter = node.parameters[spec.role];
      if (parameter === undefined) return [];
      const dimensions = parameters(parameter);
      const kind = memberKind(node, layer, dimensions);
      // A depthwise convolution's input is its output: one member, as the reference has it.
      if (kind === 'depthwise' && spec.side === 'in') return [];
      const axis = { parameter, dimension: spec.dimension, leaves: dimensions[spec.dimension] };
      const leaves = spec.side === 'in' && node.kind === 'conv' ? inputLeaves(node)[1] : axis.leaves;
      return [{ layer: node.module || node.id, side: spec.side, kind, axis, leaves }];
    });
  });
}

function memberKind(node: GraphNode, layer: LayerKind, dimensions: readonly (readonly LeafId[])[]): Member['kind'] {
  if (node.kind !== 'conv') return layer;
  return node.attributes.groups > 1 && dimensions[1].length === 0 ? 'depthwise' : 'conv';
}

/** cls_token, pos_embed, layer scale: every dimension that something else shares. */
function bareMembers(node: GraphNode<'parameter'>, parameters: DimensionsOf): Candidate[] {
  const parameter = node.parameters.value as string;
  return parameters(parameter).map((leaves, dimension) => ({
    layer: parameter,
    side: 'out',
    kind: 'bare',
    axis: { parameter, dimension, leaves } satisfies Axis,
    leaves,
  }));
}
