/** The FLOP target on every model that is known by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findVariant, variants } from '../../../src/engine/architectures/registry.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import type { Groups } from '../../../src/engine/pruning/coupling/groups.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { planForTarget, type TargetOptions } from '../../../src/engine/pruning/planning/target.ts';
import { type Scores, scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { checkTargets } from './targets.ts';

/** No weights needed; test/full has scores of weights and gradients. */
const random = (groups: Groups): Promise<Scores> => scoreGroups(groups, new Map(), { criterion: 'random', seed: 3 });
const build = (name: string): Graph => findVariant(name)?.build() ?? assert.fail(name);

for (const { name } of variants)
  test(`${name}: 30, 50 and 75 % of its MACs`, () => checkTargets(build(name), random, [0.3, 0.5, 0.75]));

const given: readonly TargetOptions[] = [
  { roundTo: 2, headRatio: 0.34 },
  { roundTo: 2, headDimRatio: 0.2 },
  { roundTo: 2, headRatio: 0, headDimRatio: 0.1 },
  { roundTo: 8, maxRatio: 0.7 },
  { roundTo: 2, ratio: 0.5, headRatio: 0.5, headDimRatio: 0.25 },
  { roundTo: 2, isomorphic: false },
  { roundTo: 2, global: false },
];
for (const name of ['deit_base_distilled_patch16_224', 'swin_tiny_patch4_window7_224'])
  for (const options of given)
    test(`${name}: half of its MACs with ${JSON.stringify(options)}`, () =>
      checkTargets(build(name), random, [0.5], options));

test('ratios that are given are met; the others make up for them', async () => {
  const graph = build('deit_base_distilled_patch16_224');
  const groups = couple(graph);
  const planner = compilePlanner(groups, await random(groups));
  const plan = planForTarget(planner, { headRatio: 0.25 }, { fraction: 0.5 });
  const heads = plan.heads.map(({ count, kept }) => [count, kept.length]);
  assert.equal(
    heads.reduce((sum, [count]) => sum + count, 0),
    144,
  );
  assert.equal(
    heads.reduce((sum, [, kept]) => sum + kept, 0),
    144 - 36,
  );
  assert.equal(plan.options.headRatio, 0.25);
  assert.ok(plan.options.ratio > 0.2 && plan.options.headDimRatio === plan.options.ratio / 2);
});

test("without given ratios heads and head dims go in the paper's proportions", async () => {
  const ratios = async (name: string) => {
    const groups = couple(build(name));
    const { options } = planForTarget(compilePlanner(groups, await random(groups)), {}, { fraction: 0.4 });
    return [options.headRatio, options.headDimRatio].map((ratio) => ratio && ratio / options.ratio);
  };
  // deit_4.2G.sh: 0.5, 0.5 and 0.25. swin_4.5G.sh: 0.47, no heads, head dims like other channels.
  assert.deepEqual(await ratios('deit_small_distilled_patch16_224'), [1, 0.5]);
  assert.deepEqual(await ratios('swin_tiny_patch4_window7_224'), [0, undefined]);
});
