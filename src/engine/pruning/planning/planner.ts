/** Plans from cached scores: ranked once, then each new plan and its cost in well under a millisecond for a slider. */
import type { Cost } from '../../graph/macs.ts';
import type { Group, Groups, Heads } from '../coupling/groups.ts';
import type { Scores } from '../scoring/importance.ts';
import { type Choice, choose, type ResolvedOptions, resolveOptions, type WhenEmpty } from './choice.ts';
import { type CompiledCost, compileCost, type Removed, type SetSizes } from './cost.ts';
import type { Plan, PlannedGroup, PlannedHeads, PlannedScope, PlanOptions } from './plan-types.ts';
import { keepHighest, type Ranked, type Ranking, rank } from './ranking.ts';

/** What a target keeps small: MACs, or the milliseconds of a run. */
export interface Bound {
  readonly unit: 'MACs' | 'ms';
  /** Of the network with these sizes. */
  of(sizes: SetSizes): number;
}

export interface Planner {
  readonly groups: Groups;
  readonly ranking: Ranking;
  readonly cost: CompiledCost;
  readonly bound: Bound;
  /** Of the network as it is. */
  readonly before: Cost;
  choose(options: PlanOptions, whenEmpty?: WhenEmpty): Choice;
  /** Entries that a choice leaves of every set. */
  sizes(choice: Pick<Choice, 'dims' | 'heads'>): SetSizes;
  /** The plan of a choice made with these options. */
  describe(choice: Choice, options: PlanOptions, targetMacs?: number): Plan;
  /** Cost at given ratios, without saying which channels. */
  preview(options: PlanOptions): Cost;
  /** The plan at given ratios. */
  plan(options: PlanOptions): Plan;
}

/**
 * Ranks the scores and compiles the cost of a network.
 *
 * @param removed blocks that will not be there, for the cost only
 * @param bound what targets keep small; MACs by default
 */
export function compilePlanner(groups: Groups, scores: Scores, removed?: Removed, bound?: Bound): Planner {
  const ranking = rank(groups, scores);
  const cost = compileCost(groups, removed);
  const before = compileBefore(groups, cost, removed);
  const planner: Planner = {
    groups,
    ranking,
    cost,
    bound: bound ?? { unit: 'MACs', of: (sizes) => cost.evaluate(sizes).macs },
    before,
    choose: (options, whenEmpty = 'skip') => choose(groups, ranking, resolveOptions(options), whenEmpty),
    sizes: ({ dims, heads }) => {
      const sizes = Int32Array.from(cost.full);
      for (const { id, dims: set } of groups.groups) if (set !== undefined) sizes[set] -= dims[id];
      for (const { id, set } of groups.heads) if (set !== undefined) sizes[set] -= heads[id];
      return sizes;
    },
    describe: (choice, options, targetMacs) => {
      const resolved = resolveOptions(options);
      return {
        version: 1,
        model: groups.graph.name,
        options,
        targetMacs,
        scopes: choice.scopes.map(describeScope),
        groups: groups.groups.flatMap((group) => describeGroup(group, choice, ranking, resolved)),
        heads: groups.heads.map((heads) => describeHeads(heads, choice, ranking.heads[heads.id], resolved)),
        before,
        after: cost.evaluate(planner.sizes(choice)),
      };
    },
    preview: (options) => cost.evaluate(planner.sizes(planner.choose(options))),
    plan: (options) => planner.describe(planner.choose(options), options),
  };
  return planner;
}

/** Blocks that are to be removed are still there before. */
function compileBefore(groups: Groups, cost: CompiledCost, removed: Removed | undefined): Cost {
  const whole = removed ? compileCost(groups) : cost;
  return whole.evaluate(whole.full);
}

function describeScope({ scope, ratio, threshold }: Choice['scopes'][number]): PlannedScope {
  const { id, kind, chain, groups, sorted } = scope;
  return { id, kind, chain, ratio, groups: groups.length, channels: sorted.length, threshold };
}

const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function describeGroup(
  group: Group,
  choice: Choice,
  { dims }: Ranking,
  options: ResolvedOptions,
): readonly PlannedGroup[] {
  if (group.dims === undefined) return [];
  const { root, side, part, width, channelGroups } = group;
  const ranked = dims[group.id];
  const scope = choice.scopes.find(({ scope: { groups } }) => groups.includes(group.id))?.scope.id;
  const kept = ranked ? keepHighest(ranked, choice.dims[group.id]) : all(width);
  const why = whyGroup(group, choice, ranked, options);
  const stayed = choice.skipped.has(group.id) && { stayed: 'emptied' as const };
  return [{ root, side, ...(part && { part }), scope, width, channelGroups, kept, why, ...stayed }];
}

function whyGroup(group: Group, choice: Choice, ranked: Ranked | undefined, options: ResolvedOptions): string {
  if (group.frozen !== undefined) return `stays: ${group.frozen}`;
  if (!ranked) return 'stays: none of its layers is scored';
  const asked = choice.asked[group.id];
  if (choice.skipped.has(group.id)) return 'stays: it would lose everything';
  if (!asked) return 'all its scores are above the threshold';
  const goes = choice.dims[group.id];
  const scored = `${asked} of ${group.width} have the lowest scores`;
  if (goes === asked) return scored;
  const cause = goes > asked ? `rounded to multiples of ${options.roundTo}` : 'limited';
  return `${scored}; ${goes} go, ${cause}`;
}

function describeHeads(
  { layer, part, count, groups, id }: Heads,
  choice: Choice,
  ranked: Ranked | undefined,
  { headRatio }: ResolvedOptions,
): PlannedHeads {
  const removed = choice.heads[id];
  const kept = ranked ? keepHighest(ranked, removed) : all(count);
  const heads = { layer, ...(part && { part }), count, kept };
  if (removed) return { ...heads, why: `${removed} of ${count} have the lowest scores` };
  if (groups.some((group) => choice.skipped.has(group)))
    return { ...heads, why: 'stays: it would lose everything', stayed: 'emptied' };
  if (!ranked) return { ...heads, why: count === 1 ? 'stays: its last head' : 'stays: its channels are frozen' };
  return { ...heads, why: headRatio > 0 ? 'all its scores are above the threshold' : 'stays: no head ratio' };
}
