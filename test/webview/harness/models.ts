/** Real models for the page: views, groups, scores and plans as the worker makes them, with random scores. */
import assert from 'node:assert/strict';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { formatPlan } from '../../../src/engine/pruning/planning/format-plan.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { feasibleRange, planForTarget } from '../../../src/engine/pruning/planning/target.ts';
import { pruneGraph } from '../../../src/engine/pruning/rebuilding/prune-graph.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { type GraphEditorState, UNREAD_MODEL } from '../../../src/protocol/graph-editor.ts';
import type { PlanView, TargetRange } from '../../../src/protocol/graph-view.ts';
import { graphViewOf } from '../../../src/worker/graph-view.ts';
import { groupsViewOf } from '../../../src/worker/groups-view.ts';
import { compilePlanView } from '../../../src/worker/plan-view.ts';
import { scoresViewOf } from '../../../src/worker/scores-view.ts';

export interface TestModel {
  /** Read and scored, without a target. */
  readonly state: GraphEditorState;
  plan(macs: number): { readonly view: PlanView; readonly text: string };
  /** What the plan for so many MACs leaves. */
  prune(macs: number): Graph;
}

export async function testModel(name: string): Promise<TestModel> {
  const graph = buildModel(name);
  assert.ok(graph, `no model ${name}`);
  const groups = couple(graph);
  const raw = await scoreGroups(groups, new Map(), { criterion: 'random', seed: 7 });
  const scores = { ...raw, channels: raw.channels.map((values) => values?.map((value) => value ** 3 + 0.02)) };
  const planner = compilePlanner(groups, scores);
  const view = graphViewOf(graph);
  const groupsView = groupsViewOf(groups);
  const toView = compilePlanView(groups, groupsView, planner.cost);
  const { least, most } = feasibleRange(planner, { roundTo: 2 });
  const range: TargetRange = { min: least, max: most, reason: 'the classifier and 2 channels of every layer need it' };
  const settings = { criterion: 'taylor' as const, batches: 50, batchSize: 64, seed: 0 };
  const planFor = (macs: number) => planForTarget(planner, { roundTo: 2 }, { macs });
  return {
    prune: (macs) => pruneGraph(graph, planFor(macs), groups).graph,
    state: {
      ...UNREAD_MODEL,
      title: `${name}.safetensors`,
      phase: 'ready',
      view,
      groups: groupsView,
      scores: scoresViewOf(groups, groupsView, scores, settings),
      range,
    },
    plan: (macs) => {
      const plan = planFor(macs);
      return { view: toView(plan, { range, unscored: false }), text: formatPlan(plan) };
    },
  };
}
