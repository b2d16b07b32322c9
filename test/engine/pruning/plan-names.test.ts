/** Plans as files: groups of one root are told apart by name, older files still fit, and anything else is refused with the place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { keptOfPlan } from '../../../src/engine/jobs/record.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { rootName } from '../../../src/engine/pruning/coupling/groups.ts';
import { planText } from '../../../src/engine/pruning/planning/plan-file.ts';
import { planFromJson } from '../../../src/engine/pruning/planning/plan-schema.ts';
import type { Plan } from '../../../src/engine/pruning/planning/plan-types.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { pruneGraph } from '../../../src/engine/pruning/rebuilding/apply-plan.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { fillWeights } from '../../support/detfill.ts';
import { conv, network } from './networks.ts';

/** One layer whose output is cut into parts of 4, 6 and 6 channels that go different ways. */
const split = network((b, x) => {
  const stem = conv(b, 'stem', x, 16);
  const parts = (
    [
      [0, 4],
      [4, 10],
      [10, 16],
    ] as const
  ).map(([start, end], i) => conv(b, `branch${i}`, b.slice('', stem, 1, start, end, 1, `part${i}`), 8));
  return b.plus('', b.plus('', parts[0], parts[1]), parts[2]);
});
const groups = couple(split);

async function planned(): Promise<Plan> {
  const scores = await scoreGroups(groups, fillWeights(split), { criterion: 'l2' });
  return compilePlanner(groups, scores).plan({ ratio: 0.4 });
}
const widthsOf = (plan: Plan): Record<string, string> => {
  const { graph } = pruneGraph(split, plan, groups);
  return Object.fromEntries(
    graph.parameters.filter(({ name }) => name.endsWith('.weight')).map(({ name, shape }) => [name, String(shape)]),
  );
};
const asFile = (plan: unknown): Plan => planFromJson(JSON.stringify(plan));

test('each group has a name of its own, and a plan fits from its file', async () => {
  const names = groups.groups.map(rootName);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(names.filter((name) => name.startsWith('stem')).sort(), ['stem', 'stem#2', 'stem#3', 'stem:in']);
  const plan = await planned();
  const expected = widthsOf(plan);
  assert.deepEqual(widthsOf(asFile(plan)), expected);
  assert.deepEqual(widthsOf(asFile({ saved: null, plan })), expected);
  // Sorted by name, as files are.
  assert.deepEqual(widthsOf(planFromJson(planText(plan, { settings: { roundTo: 2 } }))), expected);
  // What a record keeps of it: the groups that lose something alone, in any order.
  const kept = { ...plan, ...keptOfPlan(plan) };
  assert.ok(kept.groups.length < plan.groups.length);
  assert.deepEqual(widthsOf({ ...kept, groups: [...kept.groups].reverse() } as unknown as Plan), expected);
});

test('a plan of before groups had numbers follows their order', async () => {
  const plan = await planned();
  const old = { ...plan, groups: plan.groups.map(({ part: _, ...group }) => group) };
  assert.deepEqual(widthsOf(asFile(old)), widthsOf(plan));
});

test('a plan for another network is refused by the name of the group', async () => {
  const plan = await planned();
  const change = (by: object): Plan => ({
    ...plan,
    groups: plan.groups.map((group) => (rootName(group) === 'stem#2' ? { ...group, ...by } : group)),
  });
  for (const [by, message] of [
    [{ width: 5, kept: [0] }, /stem#2 has 6 entries, the plan expects 5/],
    [{ part: 7 }, /it has no group of stem#8/],
    [{ root: 'trunk' }, /it has no group of trunk#2/],
  ] as const)
    assert.throws(
      () => widthsOf(change(by)),
      (error) => error instanceof UserError && message.test(error.message),
    );
});

test('a file that is no plan is refused with the place', async () => {
  const plan = JSON.parse(JSON.stringify(await planned())) as Record<string, unknown>;
  const [first, ...others] = plan['groups'] as Record<string, unknown>[];
  for (const [value, message] of [
    [{}, /^version: /],
    [{ ...plan, version: 2 }, /^version: /],
    [{ ...plan, remark: 'x' }, /^remark: /],
    [{ ...plan, heads: 'none' }, /^heads: /],
    [{ ...plan, options: { ratio: '0.5' } }, /^options\.ratio: /],
    [{ ...plan, options: { ratio: 2 } }, /^options\.ratio: /],
    [{ ...plan, groups: [{ ...first, kept: [0.5] }, ...others] }, /^groups\.0\.kept\.0: /],
    [{ ...plan, groups: [{ ...first, kept: [2, 1] }, ...others] }, /^groups\.0\.kept: is not in ascending order/],
    [{ ...plan, groups: [{ ...first, kept: [1, 1] }, ...others] }, /^groups\.0\.kept: is not in ascending order/],
    [{ ...plan, groups: [{ ...first, colour: 1 }, ...others] }, /^groups\.0\.colour: /],
    [[], /^version: /],
    [null, /^it: /],
  ] as const)
    assert.throws(() => asFile(value), { message }, JSON.stringify(value)?.slice(0, 60));
  assert.throws(() => planFromJson('{'), SyntaxError);
});
