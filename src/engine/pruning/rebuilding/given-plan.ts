/** A plan that a file says, as plans are that are made here. */
import { UserError } from '../../../common/errors.ts';
import { headsName, isPrunable, rootName } from '../coupling/groups.ts';
import type { Plan, PlannedGroup, PlannedHeads } from '../planning/plan-types.ts';
import type { Planner } from '../planning/planner.ts';
import { keptEntries, matched } from './kept.ts';

const whole = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const NOT_NAMED = 'stays: the plan does not name it';

/**
 * The plan with its groups and heads in the network's order, those that it does not name whole, and with its costs counted anew.
 *
 * @param planner of the network with what must stay
 * @throws UserError where the plan is for another network, removes blocks, or prunes what must stay
 */
export function givenPlan({ groups, before, cost }: Planner, plan: Plan): Plan {
  // It checks that the plan is this network's.
  keptEntries(groups, plan);
  if (plan.blocks?.removed.length)
    throw new UserError('The plan removes whole blocks, which can only be planned anew: set the blocks to remove.');
  const { name } = groups.graph;
  const prunable = groups.groups.filter(({ dims }) => dims !== undefined);
  const ofGroup = new Map(matched(prunable, plan.groups, rootName, `${name}: it has no group of`));
  const ofHeads = new Map(matched(groups.heads, plan.heads, headsName, `${name}: it has no heads of`));
  const sizes = Int32Array.from(cost.full);
  const planned = prunable.map((group): PlannedGroup => {
    const { root, side, part, width, channelGroups } = group;
    const found = ofGroup.get(group);
    const kept = found?.kept ?? whole(width);
    if (kept.length < width && !isPrunable(group))
      throw new UserError(
        `The plan prunes ${rootName(group)}, which must stay as it is here: free it where it is pinned or ignored, or choose another plan.`,
      );
    if (group.dims !== undefined) sizes[group.dims] = kept.length;
    return found ?? { root, side, ...(part && { part }), width, channelGroups, kept, why: NOT_NAMED };
  });
  const heads = groups.heads.map((each): PlannedHeads => {
    const { layer, part, count, set } = each;
    const found = ofHeads.get(each);
    if (found && set !== undefined) sizes[set] = found.kept.length;
    return found ?? { layer, ...(part && { part }), count, kept: whole(count), why: NOT_NAMED };
  });
  return { ...plan, model: name, groups: planned, heads, before, after: cost.evaluate(sizes) };
}
