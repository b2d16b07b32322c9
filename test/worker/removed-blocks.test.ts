/** Whole blocks that a plan removes: what the worker shows of them is what pruning does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphCost } from '../../src/engine/graph/macs.ts';
import { openModel } from '../../src/engine/jobs/opening/model.ts';
import { findBlocks } from '../../src/engine/pruning/planning/blocks.ts';
import { pruneGraph } from '../../src/engine/pruning/rebuilding/prune-graph.ts';
import { scoreGroups } from '../../src/engine/pruning/scoring/importance.ts';
import { DEFAULT_PLAN, type PlanSettings, type ScoreSettings } from '../../src/protocol/values.ts';
import { OpenModel } from '../../src/worker/open-models.ts';
import { makePlan, planViewFor } from '../../src/worker/plans.ts';
import { scoresKey } from '../../src/worker/score-cache.ts';
import { fillWeights } from '../support/detfill.ts';

const RANDOM: ScoreSettings = { criterion: 'random', batches: 0, batchSize: 0, seed: 3 };

async function open(criterion: ScoreSettings['criterion'] = 'random'): Promise<OpenModel> {
  const model = await openModel({ model: 'convnext_tiny' });
  const weights = fillWeights(model.graph);
  const opened = new OpenModel({ kind: 'zoo', name: 'convnext_tiny' }, { ...model, weights: async () => weights });
  const gradients = { kind: 'combined', of: (name: string) => weights.get(name)?.data as Float32Array } as const;
  const scores = await scoreGroups(opened.groups, weights, { criterion, seed: 3, gradients });
  opened.keepScores(scoresKey({ ...RANDOM, criterion }), scores);
  return opened;
}

const removing = (removeLayers: number, target: PlanSettings['target']): PlanSettings => ({
  ...DEFAULT_PLAN,
  target,
  removeLayers,
});

for (const target of [
  { kind: 'ratio', ratio: 0.25 },
  { kind: 'macs', text: '40%' },
] as const)
  test(`removed blocks are in the plan's view, with the cost that pruning leaves: ${target.kind}`, async () => {
    const opened = await open();
    const settings = removing(3, target);
    const view = await planViewFor(opened, RANDOM, settings, {});
    assert.equal(view.removed.length, 3);
    const stage = [...findBlocks(opened.model.graph).values()].at(-2) ?? [];
    const paths = stage.map(({ path }) => path);
    assert.ok(view.removed.every((path) => paths.includes(path)));
    const plan = await makePlan(opened, RANDOM, settings, {});
    assert.deepEqual(plan.blocks?.removed, view.removed);
    const pruned = pruneGraph(opened.groups.graph, plan, opened.groups).graph;
    assert.deepEqual(view.after, graphCost(pruned));
    if (target.kind === 'macs') assert.ok(view.after.macs <= 0.4 * view.before.macs);
    const without = await planViewFor(opened, RANDOM, { ...settings, removeLayers: 0 }, {});
    assert.deepEqual(without.removed, []);
    assert.ok(view.range.min < without.range.min);
  });

test('blocks by gradients: refused without them, shown with them', async () => {
  const opened = await open('taylor');
  const taylor: ScoreSettings = { ...RANDOM, criterion: 'taylor', dataPath: '/data' };
  opened.keepScores(scoresKey(taylor), opened.scoresOf(scoresKey({ ...RANDOM, criterion: 'taylor' })) as never);
  const settings = removing(2, { kind: 'ratio', ratio: 0.25 });
  await assert.rejects(planViewFor(opened, taylor, settings, {}), /score the channels again/);
  const weights = await opened.model.weights();
  const of = (name: string): Float32Array => weights.get(name)?.data as Float32Array;
  opened.keepGradients(scoresKey(taylor), { kind: 'combined', of });
  assert.equal((await planViewFor(opened, taylor, settings, {})).removed.length, 2);
});

test('more blocks than there are is an error that says how many', async () => {
  await assert.rejects(
    planViewFor(await open(), RANDOM, removing(30, { kind: 'ratio', ratio: 0.25 }), {}),
    /convnext_tiny has \d+ blocks that can be removed/,
  );
});
