import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import type { Groups } from '../../src/engine/pruning/coupling/groups.ts';
import { compilePlanner, type Planner } from '../../src/engine/pruning/planning/planner.ts';
import { feasibleRange, planForTarget } from '../../src/engine/pruning/planning/target.ts';
import { pruneGraph } from '../../src/engine/pruning/rebuilding/prune-graph.ts';
import { type Scores, scoreGroups } from '../../src/engine/pruning/scoring/importance.ts';
import type { GroupsView } from '../../src/protocol/graph-view.ts';
import { graphViewOf } from '../../src/worker/graph-view.ts';
import { groupsViewOf } from '../../src/worker/groups-view.ts';
import { compilePlanView } from '../../src/worker/plan-view.ts';
import { binEdges, countBins, scoresViewOf } from '../../src/worker/scores-view.ts';

interface Prepared {
  readonly graph: Graph;
  readonly groups: Groups;
  readonly view: GroupsView;
  readonly scores: Scores;
  readonly planner: Planner;
}

async function prepare(name: string): Promise<Prepared> {
  const graph = buildModel(name);
  assert.ok(graph, name);
  const groups = couple(graph);
  const scores = await scoreGroups(groups, new Map(), { criterion: 'random', seed: 1 });
  return { graph, groups, view: groupsViewOf(groups), scores, planner: compilePlanner(groups, scores) };
}

const named = (graph: Graph, id: string): number => graph.nodes.findIndex((node) => node.id === id);

test('members of a group are the nodes that use its parameters, and the ribbons between them carry it', async () => {
  const { graph, view } = await prepare('resnet50');
  const group = view.groups.find(({ name }) => name === 'layer1.0.conv1');
  assert.ok(group);
  assert.deepEqual(
    group.members.map(({ node, side }) => `${graph.nodes[node].id}.${side}`),
    ['layer1.0.conv1.out', 'layer1.0.bn1.out', 'layer1.0.conv2.in'],
  );
  const at = view.groups.indexOf(group);
  for (const id of ['layer1.0.conv1', 'layer1.0.bn1', 'layer1.0.act1'])
    assert.deepEqual(view.carried[named(graph, id)], [at], id);
  assert.ok(!view.carried[named(graph, 'layer1.0.conv2')].includes(at));
});

test('heads are groups of their own in a scope of their own', async () => {
  const { view } = await prepare('deit_tiny_patch16_224');
  const scope = view.scopes.find(({ kind }) => kind === 'heads');
  assert.ok(scope);
  assert.deepEqual([scope.kind, scope.groups.length, scope.channels], ['heads', 12, 36]);
  assert.equal(view.groups[scope.groups[0]].channels, 3);
});

for (const name of [
  'resnet50',
  'deit_tiny_patch16_224',
  'resnext50_32x4d',
  'densenet121',
  'swin_tiny_patch4_window7_224',
])
  test(`the plan view of ${name} says what the pruned Graph turns out to be`, async () => {
    const { graph, groups, view: groupsView, planner } = await prepare(name);
    const plan = planForTarget(planner, { roundTo: 1 }, { fraction: 0.5 });
    const { least, most } = feasibleRange(planner, {});
    const range = { min: least, max: most, reason: '' };
    const view = compilePlanView(groups, groupsView, planner.cost)(plan, { range, unscored: true });
    const pruned = graphViewOf(pruneGraph(graph, plan, groups).graph);
    assert.deepEqual(
      view.widths,
      pruned.nodes.map((node) => node.width),
    );
    assert.deepEqual(
      view.inWidths,
      pruned.nodes.map((node) => node.inWidth),
    );
    assert.deepEqual(
      view.macs,
      pruned.nodes.map((node) => node.macs),
    );
    assert.deepEqual(
      view.params,
      pruned.nodes.map((node) => node.params),
    );
    assert.deepEqual(view.after, pruned.cost);
    assert.ok(view.kept.every((kept, group) => kept <= groupsView.groups[group].channels));
  });

test('histograms of a scope and its groups count every score once', async () => {
  const { groups: coupled, view, scores: raw } = await prepare('deit_tiny_patch16_224');
  const scores = scoresViewOf(coupled, view, raw, { criterion: 'random', batches: 0, batchSize: 0, seed: 1 });
  const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
  assert.ok(view.scopes.length > 0);
  for (const [scope, { channels, groups }] of view.scopes.entries()) {
    assert.equal(sum(scores.scopes[scope].counts), channels);
    assert.equal(sum(groups.map((group) => sum(scores.groups[group]))), channels);
  }
});

test('bins hold scores up to their upper edge; wide spreads are cut by the logarithm', () => {
  const flat = Float64Array.from({ length: 101 }, (_, i) => i / 100);
  const edges = binEdges(flat);
  assert.deepEqual([edges[0], edges.at(-1), edges.length], [0, 1, 49]);
  assert.deepEqual(countBins([0, 1, 2], Float64Array.of(0, 0.5, 1, 1.5, 2)), [3, 2]);
  const wide = binEdges(Float64Array.from({ length: 100 }, (_, i) => 1.1 ** i));
  assert.ok(Math.abs(wide[20] / wide[19] - wide[30] / wide[29]) < 1e-9);
});
