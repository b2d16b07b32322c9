/** The Graph that a plan leaves, without weights. */
import type { Graph } from '../../graph/graph.ts';
import { validateGraph } from '../../graph/validate.ts';
import { couple } from '../coupling/couple.ts';
import type { Groups } from '../coupling/groups.ts';
import type { KeptChannels } from '../planning/plan-types.ts';
import type { KeptIndices } from './gather.ts';
import { keptEntries } from './kept.ts';
import { rebuildNode } from './rebuild.ts';
import { removeBlocks } from './remove-blocks.ts';

/** Where a parameter's entries came from. */
export interface KeptTensor {
  /** Its name before: blocks after a removed one have other numbers now. */
  readonly from: string;
  /** For every dimension the entries that stayed; undefined where all did. */
  readonly kept: KeptIndices;
}

/** By state-dict name in the pruned network. */
export type KeptIndexTable = ReadonlyMap<string, KeptTensor>;

/** The Graph of a plan, without weights. */
export function pruneGraph(
  graph: Graph,
  plan: KeptChannels,
  groups: Groups = couple(graph),
): { readonly graph: Graph; readonly keptIndices: KeptIndexTable } {
  const kept = keptEntries(groups, plan);
  const keptIndices = new Map<string, KeptTensor>();
  const parameters = graph.parameters.map((spec) => {
    const indices = (groups.parameters.get(spec.name) ?? []).map((leaves) => kept.of(leaves));
    keptIndices.set(spec.name, { from: spec.name, kept: indices });
    if (!indices.some(Boolean)) return spec;
    return { ...spec, shape: spec.shape.map((size, i) => indices[i]?.length ?? size) };
  });
  const nodes = graph.nodes.map((node) => rebuildNode(node, groups, kept));
  const smaller: Graph = { ...graph, nodes, parameters };
  if (!plan.blocks?.removed.length) {
    validateGraph(smaller);
    return { graph: smaller, keptIndices };
  }
  const { graph: without, renamed } = removeBlocks(smaller, plan.blocks.removed);
  const left = [...renamed].map(([from, to]) => [to, keptIndices.get(from) as KeptTensor] as const);
  return { graph: without, keptIndices: new Map(left) };
}
