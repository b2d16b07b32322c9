/** What a repair is made of. */
import type { Graph } from '../../graph/graph.ts';
import type { KeptIndexTable } from '../rebuilding/prune-graph.ts';

/** The pruned network, the one it came from, and which entries of its parameters stayed. */
export interface NetworkPair {
  readonly student: Graph;
  readonly teacher: Graph;
  readonly kept: KeptIndexTable;
}
