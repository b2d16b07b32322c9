/** Carrying a plan out: a smaller Graph, its weights, and where every entry of them came from. */

import { UserError } from '../../../common/errors.ts';
import { type Graph, parametersByName } from '../../graph/graph.ts';
import type { Tensor, Weights } from '../../graph/tensor.ts';
import { compareWeights } from '../../graph/validate.ts';
import { couple } from '../coupling/couple.ts';
import type { Groups } from '../coupling/groups.ts';
import type { Plan } from '../planning/plan-types.ts';
import { gatheredView } from './gather.ts';
import { type KeptIndexTable, pruneGraph } from './prune-graph.ts';

export { pruneGraph };

export interface Pruned {
  readonly graph: Graph;
  /** Tensors that lose nothing are the ones given; the others are views, copied when their data are first read. */
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
  const shapes = parametersByName(graph);
  for (const [name, { from, kept }] of pruned.keptIndices) {
    const tensor = weights.get(from);
    const shape = shapes.get(from)?.shape ?? [];
    if (!tensor) continue;
    if (tensor.shape.join() !== shape.join())
      throw new UserError(
        `${from} is [${tensor.shape.join(', ')}] in the weights, [${shape.join(', ')}] in ${graph.name}`,
      );
    smaller.set(name, gatheredView(tensor, kept));
  }
  const { missing, mismatched } = compareWeights(pruned.graph, smaller);
  if (missing.length)
    throw new UserError(`${graph.name} cannot be pruned: its weights lack ${missing.slice(0, 3).join(', ')}`);
  if (mismatched.length) throw new Error(`pruning ${graph.name} gave weights that do not fit: ${mismatched[0]}`);
  return { ...pruned, weights: smaller };
}
