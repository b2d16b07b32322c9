/** Attention whose heads lost dims: the layers of it in both networks. */
import type { GraphNode, ValueId } from '../../graph/graph.ts';
import { type AttentionHeads, attentionHeads } from './head-rows.ts';
import type { NetworkPair } from './network-pair.ts';

type Users = ReadonlyMap<ValueId, readonly GraphNode[]>;

/** The pruned network's, and the dense one's. */
export type HeadsPair = readonly [AttentionHeads, AttentionHeads];

/** Attention whose queries have fewer dims than the dense ones, by the weights of their queries. `users`: of every value. */
export function lostHeads(
  { student, teacher, kept }: NetworkPair,
  users: { readonly student: Users; readonly teacher: Users },
): readonly HeadsPair[] {
  const dense = attentionHeads(teacher, users.teacher);
  if (!dense.length) return [];
  return attentionHeads(student, users.student).flatMap((left): HeadsPair[] => {
    const from = kept.get(left.queries.layer.parameters.weight as string)?.from;
    const found = dense.find(
      ({ queries }) => queries.layer.parameters.weight === from && queries.rows[0].length > left.queries.rows[0].length,
    );
    return found ? [[left, found]] : [];
  });
}

/** Layers whose outputs such heads are made of: their targets can change even where their inputs did not. */
export const headLayers = (pairs: readonly HeadsPair[]): ReadonlySet<ValueId> =>
  new Set(pairs.flatMap(([{ queries, keys, values }]) => [queries, keys, values].map(({ layer }) => layer.id)));
