/** Rules that rewrite single nodes of a draft. */
import type { Draft, DraftGraph, DraftId } from './draft.ts';

/** How many nodes take each value. */
type Uses = ReadonlyMap<DraftId, number>;

/** Rewrites one node, if it is what the rule looks for. */
export type Rewrite = (graph: DraftGraph, id: DraftId, draft: Draft, uses: Uses) => void;

/** One pass for every rule, each over what the ones before it left. */
export function rewriteAll(graph: DraftGraph, outputs: readonly DraftId[], rules: readonly Rewrite[]): void {
  for (const rewrite of rules) {
    const { order, uses } = graph.live(outputs);
    for (const id of order) rewrite(graph, id, graph.get(id), uses);
  }
}
