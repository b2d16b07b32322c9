import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { ignoreLayers } from '../../../src/engine/pruning/planning/ignore.ts';
import type { Plan } from '../../../src/engine/pruning/planning/plan-types.ts';
import { compilePlanner, type Planner } from '../../../src/engine/pruning/planning/planner.ts';
import { feasibleRange, parseTarget, planForTarget } from '../../../src/engine/pruning/planning/target.ts';
import { prune } from '../../../src/engine/pruning/rebuilding/apply-plan.ts';
import { planBlocks, planWithBlocks } from '../../../src/engine/pruning/rebuilding/remove-layers.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { fillWeights } from '../../support/detfill.ts';
import { assertExact, pruneRandomly } from './masked.ts';

async function plannerOf(graph: Graph, ignore: readonly string[] = []): Promise<Planner> {
  const groups = ignoreLayers(couple(graph), ignore);
  return compilePlanner(groups, await scoreGroups(groups, new Map(), { criterion: 'random', seed: 1 }));
}

const model = (name: string): Graph => buildModel(name) ?? assert.fail(name);

test('targets as people type them', () => {
  assert.deepEqual(parseTarget('4.2G'), { macs: 4.2e9 });
  assert.deepEqual(parseTarget('4200M'), { macs: 4.2e9 });
  assert.deepEqual(parseTarget(' 50 % '), { fraction: 0.5 });
  assert.deepEqual(parseTarget('-30%'), { fraction: 0.7 });
  assert.deepEqual(parseTarget('-1.5g'), { less: 1.5e9 });
  for (const text of ['', 'half', '0', '-100%', '50%%', '1e9x']) assert.throws(() => parseTarget(text), UserError);
});

test('nothing more fits under the target: one more step of any group is too much', async () => {
  const planner = await plannerOf(model('resnet20'));
  const plan = planForTarget(planner, { roundTo: 2 }, { fraction: 0.5 });
  const macs = 0.5 * plan.before.macs;
  const { groups, cost } = planner;
  const sizes = cost.full.slice();
  const planned = groups.groups.filter(({ dims }) => dims !== undefined);
  for (const [i, { dims }] of planned.entries()) sizes[dims as number] = plan.groups[i].kept.length;
  assert.equal(cost.evaluate(sizes).macs, plan.after.macs);
  for (const [i, { dims, width }] of planned.entries()) {
    if (plan.groups[i].kept.length === width) continue;
    const more = sizes.slice();
    more[dims as number] += 2;
    assert.ok(cost.evaluate(more).macs > macs, `${plan.groups[i].root} could keep two more`);
  }
});

test('widths, heads and head dims move together; Swin keeps its heads unless asked', async () => {
  const deit = planForTarget(await plannerOf(model('deit_tiny_patch16_224')), { roundTo: 2 }, { fraction: 0.5 });
  const { ratio, headRatio = 0, headDimRatio = 0 } = deit.options;
  assert.ok(Math.abs(headRatio - ratio) < 1e-9 && Math.abs(headDimRatio - ratio / 2) < 1e-9);
  assert.ok(deit.heads.some(({ kept, count }) => kept.length < count));
  const swin = await plannerOf(model('swin_tiny_patch4_window7_224'));
  const heads = (plan: Plan): number => plan.heads.reduce((sum, { kept }) => sum + kept.length, 0);
  const all = heads(swin.plan({ ratio: 0 }));
  assert.equal(heads(planForTarget(swin, {}, { fraction: 0.5 })), all);
  const asked = planForTarget(swin, { headRatio: 1 / 3 }, { fraction: 0.4 });
  assert.equal(heads(asked), all - Math.ceil(all / 3));
});

test('given ratios hold, or keep their proportions when all are given', async () => {
  const planner = await plannerOf(model('deit_tiny_patch16_224'));
  const fixed = planForTarget(planner, { headRatio: 0.3, headDimRatio: 0.25, roundTo: 2 }, { fraction: 0.5 });
  assert.deepEqual([fixed.options.headRatio, fixed.options.headDimRatio], [0.3, 0.25]);
  const scaled = planForTarget(
    planner,
    { ratio: 0.5, headRatio: 0.5, headDimRatio: 0.1, roundTo: 2 },
    { fraction: 0.5 },
  );
  assert.ok(Math.abs((scaled.options.headDimRatio ?? 0) / scaled.options.ratio - 0.2) < 1e-9);
  for (const { before, after } of [fixed, scaled]) {
    const share = after.macs / before.macs;
    assert.ok(share <= 0.5 && share > 0.495, `${share}`);
  }
});

test('an impossible target says what is possible', async () => {
  const planner = await plannerOf(model('resnet20'), ['layer*']);
  const { least, most } = feasibleRange(planner, {});
  assert.ok(least > 0.9 * most);
  assert.throws(
    () => planForTarget(planner, {}, { fraction: 0.5 }),
    /resnet20 cannot be pruned to 20\.4\d+ M MACs: .* it can have .* M/,
  );
  assert.throws(() => planForTarget(planner, {}, { macs: 1e9 }), /has 40\.9\d+ M MACs already/);
  const untouched = planForTarget(planner, {}, { fraction: 1 });
  assert.equal(untouched.after.macs, untouched.before.macs);
});

test('resnet20 whole, to half its MACs in multiples of 2, is exact', async () => {
  const graph = buildModel('resnet20', { inputSize: 8 }) as Graph;
  const { options, after, before } = planForTarget(await plannerOf(graph), { roundTo: 2 }, { fraction: 0.5 });
  assert.ok(after.macs / before.macs > 0.49);
  await assertExact(graph, options);
});

test('every family pruned with heads, and pruned again', async () => {
  for (const name of [
    'deit_tiny_distilled_patch16_224',
    'swin_tiny_patch4_window7_224',
    'regnety_004',
    'densenet121',
  ]) {
    const options = { ratio: 0.3, headRatio: 0.3, headDimRatio: 0.3, roundTo: 2 };
    const first = await pruneRandomly(model(name), options);
    const again = await pruneRandomly(first.pruned.graph, options);
    assert.ok(again.plan.after.macs < first.plan.after.macs, name);
    assert.deepEqual(again.plan.before, first.plan.after);
  }
});

test('removed blocks: the target holds without them, the rest is numbered anew', async () => {
  const graph = buildModel('convnext_tiny', { dropPath: 0.4 }) as Graph;
  const weights = fillWeights(graph);
  const groups = couple(graph);
  const scoring = { criterion: 'l1' as const };
  const scores = await scoreGroups(groups, weights, scoring);
  const inputs = { groups, weights, scoring };
  const plan = planWithBlocks(inputs, scores, 4, (planner) =>
    planForTarget(planner, { roundTo: 2 }, { fraction: 0.5 }),
  );
  const share = plan.after.macs / plan.before.macs;
  assert.ok(share <= 0.5 && share > 0.495, `${share}`);
  const { graph: smaller, weights: left, keptIndices } = prune(graph, weights, plan, groups);
  assert.deepEqual(graphCost(smaller), plan.after);
  const blocks = smaller.modules.filter(({ path }) => /^stages\.2\.blocks\.\d+$/.test(path)).map(({ path }) => path);
  assert.deepEqual(
    blocks,
    [0, 1, 2, 3, 4].map((i) => `stages.2.blocks.${i}`),
  );
  const fourth = `stages.2.blocks.${plan.blocks?.kept[3]}.conv_dw.weight`;
  assert.equal(keptIndices.get('stages.2.blocks.3.conv_dw.weight')?.from, fourth);
  assert.deepEqual(
    left.get('stages.2.blocks.3.conv_dw.weight')?.shape,
    smaller.parameters.find(({ name }) => name === 'stages.2.blocks.3.conv_dw.weight')?.shape,
  );
  const drops = smaller.nodes.flatMap((node) => (node.kind === 'dropPath' ? node.attributes.probability : []));
  assert.deepEqual(
    drops.map((p) => p.toFixed(4)),
    Array.from({ length: 13 }, (_, i) => ((0.4 * (i + 1)) / 13).toFixed(4)),
  );
  assert.throws(() => planBlocks(inputs, plan, 10), /has 9 blocks that can be removed in stages.2.blocks, not 10/);
});
