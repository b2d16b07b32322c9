/** Coupling: which channels, heads and head dimensions of a Graph must be kept or removed together. */
import type { Graph } from '../../graph/graph.ts';
import { assembleGroups } from './assemble.ts';
import { type AxisRules, axisRules } from './axis-rules.ts';
import type { Dimensions, FactorId } from './factors.ts';
import type { Groups, LeafId } from './groups.ts';
import { indexSets } from './index-sets.ts';
import { memberCandidates } from './members.ts';
import { type Walk, walkAxes } from './walk.ts';

/**
 * The coupled groups of a Graph, exact to the single index; what cannot be followed is frozen with a reason.
 * Linear in the sizes of the network's channels: tens of milliseconds for DeiT-Base. Throws ShapeError where the Graph
 * itself does not fit together. `rules`: for operations that are not in it, everything they touch is frozen.
 */
export function couple(graph: Graph, rules: Partial<AxisRules> = axisRules): Groups {
  const walk = walkAxes(graph, rules);
  const sets = indexSets(walk, leafOrder(graph, walk));
  const settle = (dimensions: Dimensions): LeafId[][] =>
    dimensions.map((list) => walk.factors.leaves(list).map(sets.leafOf));
  const values = new Map([...walk.values].map(([id, dimensions]) => [id, settle(dimensions)]));
  const parameters = new Map([...walk.parameters].map(([name, dimensions]) => [name, settle(dimensions)]));
  const candidates = memberCandidates(
    graph,
    (name) => parameters.get(name) ?? [],
    (node) => values.get(node.inputs[0]) ?? [],
  );
  const roles = attentionRoles(walk, sets.leafOf);
  const { leaves, setOf, positionOf } = sets;
  const assembled = assembleGroups({ leaves, sets: sets.sets, setOf, positionOf, candidates, ...roles });
  return { graph, leaves, setOf, positionOf, sets: sets.sets, values, parameters, ...assembled };
}

/** Every settled factor in the order in which the Graph first shows it: a layer's output before what it takes in. */
function leafOrder(graph: Graph, walk: Walk): FactorId[] {
  const order: FactorId[] = [];
  const add = (dimensions: Dimensions | undefined): void => {
    for (const list of dimensions ?? []) order.push(...walk.factors.leaves(list));
  };
  for (const node of graph.nodes) {
    add(walk.values.get(node.id));
    for (const name of Object.values(node.parameters)) add(walk.parameters.get(name));
  }
  return order;
}

function attentionRoles(
  { factors, values }: Walk,
  leafOf: (factor: FactorId) => LeafId,
): { heads: ReadonlySet<LeafId>; headDims: ReadonlySet<LeafId> } {
  const heads = new Set<LeafId>();
  const headDims = new Set<LeafId>();
  for (const dimensions of values.values())
    for (const list of dimensions)
      for (const factor of factors.leaves(list)) {
        if (factors.roles(factor).has('heads')) heads.add(leafOf(factor));
        if (factors.roles(factor).has('headDim')) headDims.add(leafOf(factor));
      }
  return { heads, headDims };
}
