/** How many of the lowest channels and heads go at given ratios: the arithmetic of the reference's pruner. */
import { UserError } from '../../../common/errors.ts';
import { type Group, type Groups, rootName } from '../coupling/groups.ts';
import type { PlanOptions } from './plan-types.ts';
import { DEFAULT_OPTIONS } from './plan-types.ts';
import { countUpTo, type RankedScope, type Ranking } from './ranking.ts';

/** What happens to a group that would lose everything: the reference leaves it alone; a FLOP target keeps its last step. */
export type WhenEmpty = 'skip' | 'keepLast';

export type ResolvedOptions = PlanOptions & Required<Omit<PlanOptions, 'headDimRatio'>>;

export const resolveOptions = (options: PlanOptions): ResolvedOptions => ({ ...DEFAULT_OPTIONS, ...options });

interface ScopeChoice {
  readonly scope: RankedScope;
  readonly ratio: number;
  /** The ratio was given for this scope alone. */
  readonly fixed: boolean;
  readonly threshold?: number;
}

export interface Choice {
  /** Lowest entries that go: by group id, and by heads id. */
  readonly dims: Int32Array;
  readonly heads: Int32Array;
  /** What scores alone asked for, before rounding and limits. */
  readonly asked: Int32Array;
  /** Groups left alone because they would have lost everything. */
  readonly skipped: ReadonlySet<number>;
  readonly scopes: readonly ScopeChoice[];
  readonly headThreshold?: number;
}

/** k = N − floor(N · (1 − ratio)): how many of N go. */
export const removedOf = (count: number, ratio: number): number => count - Math.floor(count * (1 - ratio));

/** Chooses for one set of ratios. Binary searches in sorted scores: microseconds. */
export function choose(groups: Groups, ranking: Ranking, options: ResolvedOptions, whenEmpty: WhenEmpty): Choice {
  const asked = new Int32Array(groups.groups.length);
  const dims = new Int32Array(groups.groups.length);
  const ranked = scopesOf(ranking, options);
  checkGivenRatios(groups, ranked, options);
  const scopes = ranked.map((scope): ScopeChoice => {
    const given = givenRatio(groups, scope, options);
    const ratio = given ?? scopeRatio(groups, scope, options);
    const count = removedOf(scope.sorted.length, ratio);
    const threshold = count > 0 ? scope.sorted[count - 1] : undefined;
    for (const group of scope.groups) {
      const { sorted } = ranking.dims[group] as { sorted: Float64Array };
      if (threshold === undefined) asked[group] = 0;
      else asked[group] = scope.kind === 'local' ? count : countUpTo(sorted, threshold);
      dims[group] = limitRemoval(groups.groups[group], asked[group], options, whenEmpty);
    }
    return { scope, ratio, fixed: given !== undefined, threshold: scope.kind === 'local' ? undefined : threshold };
  });
  const { heads, threshold: headThreshold } = chooseHeads(groups, ranking, dims, options, whenEmpty);
  const skipped = new Set<number>();
  if (whenEmpty === 'skip') skipEmpty(groups, dims, heads, skipped);
  return { dims, heads, asked, skipped, scopes, headThreshold };
}

/** Without global ranking every group is a scope. */
function scopesOf(ranking: Ranking, options: ResolvedOptions): readonly RankedScope[] {
  const { global, isomorphic, headDimRatio } = options;
  return ranking.scopes({ global, isomorphic: isomorphic && global, headDims: global && headDimRatio !== undefined });
}

/** @throws UserError for ratios of single scopes that no scope of this ranking would take: none is left out silently */
function checkGivenRatios({ groups }: Groups, scopes: readonly RankedScope[], options: ResolvedOptions): void {
  const names = Object.keys(options.scopeRatios);
  if (names.length === 0) return;
  if (!options.isomorphic || !options.global)
    throw new UserError(
      'ratios of single scopes need isomorphic ranking: other rankings have no such scopes. Choose it, or free the scopes.',
    );
  const ranked = new Set(scopes.flatMap((scope) => scope.groups.map((id) => rootName(groups[id]))));
  const lost = names.find((name) => !ranked.has(name));
  if (lost !== undefined)
    throw new UserError(
      `a share is fixed for the scope of ${lost}, of which nothing is pruned (it is pinned, frozen, or not in this network). Unpin it, or free the scope.`,
    );
}

/** The ratio of a scope that was given by one of its groups. */
function givenRatio({ groups }: Groups, scope: RankedScope, { scopeRatios }: ResolvedOptions): number | undefined {
  const named = scope.groups.map((id) => rootName(groups[id])).find((name) => Object.hasOwn(scopeRatios, name));
  return named === undefined ? undefined : scopeRatios[named];
}

function scopeRatio({ groups }: Groups, scope: RankedScope, { ratio, headDimRatio, global }: ResolvedOptions): number {
  if (headDimRatio === undefined) return ratio;
  const attention = groups[scope.groups[0]]?.heads !== undefined;
  return scope.kind === 'headDim' || (!global && attention) ? headDimRatio : ratio;
}

/**
 * Rounds a removal so that what stays of all channel groups together is a multiple of `roundTo`, rounded down, and keeps
 * it within `maxRatio` (then rounded the other way).
 */
export function limitRemoval(
  { channels, width }: Pick<Group, 'channels' | 'width'>,
  asked: number,
  { roundTo, maxRatio }: Pick<ResolvedOptions, 'roundTo' | 'maxRatio'>,
  whenEmpty: WhenEmpty,
): number {
  if (asked === 0) return 0;
  const rounded = asked + ((channels - asked) % roundTo);
  const least = Math.max(Math.ceil(width * (1 - maxRatio) - 1e-9), whenEmpty === 'keepLast' ? 1 : 0);
  if (width - rounded >= least || (least === 0 && rounded >= width)) return Math.min(rounded, width);
  return Math.max(0, previousStep(channels, width - least + 1, roundTo));
}

/** The largest removal below `removed` that keeps a multiple of `roundTo`; negative when there is none but 0. */
export function previousStep(channels: number, removed: number, roundTo: number): number {
  const kept = channels - removed + 1;
  return channels - (kept + ((roundTo - (kept % roundTo)) % roundTo));
}

function chooseHeads(
  groups: Groups,
  ranking: Ranking,
  dims: Int32Array,
  options: ResolvedOptions,
  whenEmpty: WhenEmpty,
): { heads: Int32Array; threshold?: number } {
  const heads = new Int32Array(groups.heads.length);
  const { headRatio, global, maxRatio } = options;
  if (!(headRatio > 0)) return { heads };
  const count = removedOf(ranking.allHeads.length, headRatio);
  const threshold = global && count > 0 ? ranking.allHeads[count - 1] : undefined;
  for (const { id, count: all, groups: ids } of groups.heads) {
    const ranked = ranking.heads[id];
    if (!ranked) continue;
    const asked = global
      ? threshold === undefined
        ? 0
        : countUpTo(ranked.sorted, threshold)
      : Math.ceil(headRatio * all);
    // The share that head dimensions already took leaves less for heads under the limit.
    const share = Math.min(...ids.map((group) => 1 - dims[group] / groups.groups[group].width));
    const least = Math.max(
      maxRatio < 1 && share > 0 ? Math.ceil((all * (1 - maxRatio)) / share - 1e-9) : 0,
      whenEmpty === 'keepLast' ? 1 : 0,
    );
    heads[id] = Math.max(0, Math.min(asked, all - Math.min(all, least)));
  }
  return { heads, threshold };
}

/** A group that would lose all its channels, or its last head, stays as it is: its head dimensions and heads too. */
function skipEmpty(groups: Groups, dims: Int32Array, heads: Int32Array, skipped: Set<number>): void {
  const empty = (group: Group): boolean =>
    (group.dims !== undefined && dims[group.id] >= group.width) ||
    (group.heads !== undefined && heads[group.heads] > 0 && heads[group.heads] >= groups.heads[group.heads].count);
  const emptied = groups.groups.filter(empty);
  for (const group of emptied) {
    skipped.add(group.id);
    dims[group.id] = 0;
    if (group.heads !== undefined) heads[group.heads] = 0;
  }
}
