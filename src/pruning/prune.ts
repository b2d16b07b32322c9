/** Carrying a plan out: a smaller Graph, its weights, and where every entry of them came from. */
import type { Graph } from '../graph/graph.ts';
import type { Tensor, Weights } from '../graph/tensor.ts';
import { compareWeights, validateGraph } from '../graph/validate.ts';
import { UserError } from '../support/errors.ts';
import { couple } from './couple.ts';
import { gatherTensor, type KeptIndices } from './gather.ts';
import type { Groups } from './groups.ts';
import { keptEntries } from './kept.ts';
import type { Plan } from './plan-types.ts';
import { rebuildNode } from './rebuild.ts';

/** For every parameter and dimension, the entries that stayed; undefined where all did. By state-dict name. */
export type KeptIndexTable = ReadonlyMap<string, KeptIndices>;

export interface Pruned {
  readonly graph: Graph;
  /** Tensors that lose nothing are the ones given, not copies. */
  readonly weights: Weights;
  readonly keptIndices: KeptIndexTable;
}

/**
 * Prunes a network by a plan made for it. The new Graph is validated by shape inference, and its weights against it.
 * Throws UserError where plan, Graph and weights do not belong together. `groups`: of this Graph, where they are known.
 */
export function prune(graph: Graph, weights: Weights, plan: Plan, groups: Groups = couple(graph)): Pruned {
  const pruned = pruneGraph(graph, plan, groups);
  const smaller = new Map<string, Tensor>();
  for (const { name, shape } of graph.parameters) {
    const tensor = weights.get(name);
    if (!tensor) continue;
    if (tensor.shape.join() !== shape.join())
      throw new UserError(
        `${name} is [${tensor.shape.join(', ')}] in the weights, [${shape.join(', ')}] in ${graph.name}`,
      );
    smaller.set(name, gatherTensor(tensor, pruned.keptIndices.get(name) ?? []));
  }
  const { missing, mismatched } = compareWeights(pruned.graph, smaller);
  if (missing.length)
    throw new UserError(`${graph.name} cannot be pruned: its weights lack ${missing.slice(0, 3).join(', ')}`);
  if (mismatched.length) throw new Error(`pruning ${graph.name} gave weights that do not fit: ${mismatched[0]}`);
  return { ...pruned, weights: smaller };
}

/** The Graph of a plan, without weights. */
export function pruneGraph(
  graph: Graph,
  plan: Plan,
  groups: Groups = couple(graph),
): { readonly graph: Graph; readonly keptIndices: KeptIndexTable } {
  const kept = keptEntries(groups, plan);
  const keptIndices = new Map<string, KeptIndices>();
  const parameters = graph.parameters.map((spec) => {
    const indices = (groups.parameters.get(spec.name) ?? []).map((leaves) => kept.of(leaves));
    keptIndices.set(spec.name, indices);
    if (!indices.some(Boolean)) return spec;
    return { ...spec, shape: spec.shape.map((size, i) => indices[i]?.length ?? size) };
  });
  const nodes = graph.nodes.map((node) => rebuildNode(node, groups, kept));
  const smaller: Graph = { ...graph, nodes, parameters };
  validateGraph(smaller);
  return { graph: smaller, keptIndices };
}
