/** Plans of files, taken as they are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { rootName } from '../../../src/engine/pruning/coupling/groups.ts';
import { ignoreLayers } from '../../../src/engine/pruning/planning/ignore.ts';
import { planText } from '../../../src/engine/pruning/planning/plan-file.ts';
import { planFromJson } from '../../../src/engine/pruning/planning/plan-schema.ts';
import { compilePlanner, type Planner } from '../../../src/engine/pruning/planning/planner.ts';
import { parseTarget, planForTarget } from '../../../src/engine/pruning/planning/target.ts';
import { givenPlan } from '../../../src/engine/pruning/rebuilding/given-plan.ts';
import { pruneGraph } from '../../../src/engine/pruning/rebuilding/prune-graph.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';

async function plannerOf(name: string, ignored: readonly string[] = []): Promise<Planner> {
  const graph = buildModel(name) ?? assert.fail(name);
  const groups = ignoreLayers(couple(graph), ignored);
  return compilePlanner(groups, await scoreGroups(groups, new Map(), { criterion: 'random', seed: 3 }));
}

for (const name of ['resnet20', 'deit_tiny_patch16_224'])
  test(`${name}: a saved plan, whose groups stand in the order of their names, is the plan it was`, async () => {
    const planner = await plannerOf(name);
    const options = { ...(name.startsWith('deit') && { headRatio: 0.3 }) };
    const plan = planForTarget(planner, options, parseTarget('50%'));
    const saved = planFromJson(planText(plan));
    const order = (groups: typeof plan.groups): string => groups.map(rootName).join();
    if (name.startsWith('deit')) assert.notEqual(order(saved.groups), order(plan.groups), 'the order tells nothing');
    const given = givenPlan(planner, saved);
    assert.equal(order(given.groups), order(plan.groups));
    for (const [i, { kept }] of plan.groups.entries()) assert.deepEqual(given.groups[i].kept, kept);
    for (const [i, { kept }] of plan.heads.entries()) assert.deepEqual(given.heads[i].kept, kept);
    assert.deepEqual(given.after, plan.after);
  });

test('costs are counted, not believed, and what is not named stays whole', async () => {
  const planner = await plannerOf('resnet20');
  const plan = planForTarget(planner, {}, parseTarget('50%'));
  const pruned = plan.groups.filter(({ kept, width }) => kept.length < width);
  const given = givenPlan(planner, { ...plan, groups: pruned.slice(0, 2), after: { macs: 1, macsTrue: 1, params: 1 } });
  assert.equal(given.groups.length, plan.groups.length);
  const whole = given.groups.filter(({ kept, width }) => kept.length === width);
  assert.equal(whole.length, plan.groups.length - 2);
  const { graph } = planner.groups;
  const again = await plannerOf('resnet20');
  const rebuilt = compilePlanner(couple(pruneGraph(graph, given, again.groups).graph), {
    criterion: 'random',
    normaliser: 'mean',
    channels: [],
  });
  assert.deepEqual(given.after, rebuilt.before);
});

test('refused: another network’s plan, what must stay, whole blocks', async () => {
  const planner = await plannerOf('resnet20');
  const plan = planForTarget(planner, {}, parseTarget('50%'));
  const other = await plannerOf('resnet56');
  assert.throws(
    () => givenPlan(planner, planForTarget(other, {}, parseTarget('50%'))),
    /the plan does not fit resnet20/,
  );
  const pinned = await plannerOf('resnet20', ['layer2.1.conv1:out']);
  assert.throws(() => givenPlan(pinned, plan), /The plan prunes layer2\.1\.conv1, which must stay as it is here/);
  const blocks = { stage: 'layer2', removed: ['layer2.1'], kept: [0, 2], why: '' };
  assert.throws(() => givenPlan(planner, { ...plan, blocks }), /removes whole blocks/);
});
