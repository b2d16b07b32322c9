/** Shares that are fixed for single scopes: kept exactly, and the target is reached by the others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { rootName } from '../../../src/engine/pruning/coupling/groups.ts';
import { planFromJson } from '../../../src/engine/pruning/planning/plan-schema.ts';
import type { Plan } from '../../../src/engine/pruning/planning/plan-types.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { parseTarget, planForTarget } from '../../../src/engine/pruning/planning/target.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';

const groups = couple(buildModel('resnet20') ?? assert.fail());
const planner = compilePlanner(groups, await scoreGroups(groups, new Map(), { criterion: 'random', seed: 1 }));
const FIXED = 'layer1.0.conv1';

/** Kept and all channels of the scope of a group. */
function shareOf(plan: Plan, name: string): { kept: number; all: number } {
  const { scope } = plan.groups.find((group) => rootName(group) === name) ?? assert.fail();
  const members = plan.groups.filter((group) => group.scope === scope);
  const sum = (of: (group: Plan['groups'][number]) => number): number => members.reduce((s, group) => s + of(group), 0);
  return { kept: sum(({ kept }) => kept.length), all: sum(({ width }) => width) };
}

test('the scope loses what was fixed, and the target is met by the others as exactly as without', () => {
  for (const [ratio, target] of [
    [0.25, '50%'],
    [0, '70%'],
    [0.5, '45%'],
  ] as const) {
    const plan = planForTarget(planner, { scopeRatios: { [FIXED]: ratio } }, parseTarget(target));
    const { kept, all } = shareOf(plan, FIXED);
    assert.equal(kept, Math.floor(all * (1 - ratio)), `${ratio}`);
    const asked = plan.targetMacs ?? assert.fail();
    assert.ok(plan.after.macs <= asked);
    assert.ok(plan.after.macs > 0.99 * asked, `${plan.after.macs} of ${asked}`);
    assert.notDeepEqual(
      plan.groups.map((group) => group.kept.length),
      planForTarget(planner, {}, parseTarget(target)).groups.map((group) => group.kept.length),
    );
    assert.deepEqual(planFromJson(JSON.stringify(plan)).options, plan.options);
  }
});

test('a target that the fixed share alone goes below leaves all else whole', () => {
  const plan = planForTarget(planner, { scopeRatios: { [FIXED]: 0.5 } }, parseTarget('60%'));
  const { scope } = plan.groups.find((group) => rootName(group) === FIXED) ?? assert.fail();
  assert.ok(plan.groups.every((group) => group.scope === scope || group.kept.length === group.width));
});

test('at a ratio, too; and what cannot be is refused with the reason', () => {
  const plan = planner.plan({ ratio: 0.5, scopeRatios: { [FIXED]: 0.125 } });
  const { kept, all } = shareOf(plan, FIXED);
  assert.equal(kept, Math.floor(all * 0.875));
  assert.throws(
    () => planForTarget(planner, { scopeRatios: { [FIXED]: 0 } }, parseTarget('5%')),
    /cannot be pruned to/,
  );
  assert.throws(
    () => planner.plan({ ratio: 0.5, isomorphic: false, scopeRatios: { [FIXED]: 0.1 } }),
    /single scopes need isomorphic ranking/,
  );
  assert.throws(
    () => planner.plan({ ratio: 0.5, scopeRatios: { [FIXED]: 0.1, 'no.such.layer': 0.2 } }),
    /a share is fixed for the scope of no\.such\.layer, of which nothing is pruned/,
  );
});
