/** What a FLOP target must give: a network at or under it, by less than 1 %. Times: scripts/bench/models.ts. */
import assert from 'node:assert/strict';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import type { Groups } from '../../../src/engine/pruning/coupling/groups.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { planForTarget, type TargetOptions } from '../../../src/engine/pruning/planning/target.ts';
import { pruneGraph } from '../../../src/engine/pruning/rebuilding/prune-graph.ts';
import type { Scores } from '../../../src/engine/pruning/scoring/importance.ts';

const MOST_MISSED = 0.01;

/** Plans and carries out, without weights. Fractions are shares of the MACs that stay. */
export async function checkTargets(
  graph: Graph,
  score: (groups: Groups) => Promise<Scores>,
  fractions: readonly number[],
  options: TargetOptions = { roundTo: 2 },
): Promise<void> {
  const groups = couple(graph);
  const scores = await score(groups);
  for (const fraction of fractions) checkTarget(graph, groups, scores, fraction, options);
}

function checkTarget(graph: Graph, groups: Groups, scores: Scores, fraction: number, options: TargetOptions): void {
  const what = `${graph.name} at ${100 * fraction} %`;
  const plan = planForTarget(compilePlanner(groups, scores), options, { fraction });
  const wanted = fraction * graphCost(graph).macs;
  const missed = 1 - plan.after.macs / wanted;
  assert.ok(missed >= 0 && missed < MOST_MISSED, `${what}: ${(100 * missed).toFixed(3)} % below`);
  const pruned = pruneGraph(graph, plan, groups).graph;
  assert.deepEqual(graphCost(pruned), plan.after, `${what}: cost that the plan promises`);
}
