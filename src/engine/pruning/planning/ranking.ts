/** Scores sorted once, so that a new plan is a binary search in each scope. */
import { type Group, type Groups, isPrunable } from '../coupling/groups.ts';
import { type Scores, spaceStrides } from '../scoring/importance.ts';
import { findScopes, type Scope, type ScopeOptions } from './scopes.ts';

/** Scores of the entries that can go, and the same sorted. */
export interface Ranked {
  readonly scores: Float64Array;
  readonly sorted: Float64Array;
}

export interface RankedScope extends Scope {
  /** Scores of all its groups, ascending. */
  readonly sorted: Float64Array;
}

export interface Ranking {
  /** By group id; undefined for what is not ranked. */
  readonly dims: readonly (Ranked | undefined)[];
  /** By heads id. */
  readonly heads: readonly (Ranked | undefined)[];
  /** All heads of the network, ascending. */
  readonly allHeads: Float64Array;
  scopes(options: ScopeOptions): readonly RankedScope[];
}

export function rank(groups: Groups, scores: Scores): Ranking {
  const dims = groups.groups.map((group) => {
    const channels = scores.channels[group.id];
    if (!isPrunable(group) || group.dims === undefined || !channels) return undefined;
    const entry = group.space.findIndex(({ set }) => set === group.dims);
    return ranked(means(group, channels, entry));
  });
  const heads = groups.heads.map(({ set, groups: ids }) => {
    const of = ids.map((id) => groups.groups[id]).filter((group) => isPrunable(group) && scores.channels[group.id]);
    if (set === undefined || of.length < ids.length) return undefined;
    const each = of.map((group) => {
      const entry = group.space.findIndex((space) => space.set === set);
      return means(group, scores.channels[group.id] as Float64Array, entry);
    });
    return ranked(each[0].map((_, head) => each.reduce((sum, one) => sum + one[head], 0) / each.length));
  });
  const cache = new Map<string, readonly RankedScope[]>();
  return {
    dims,
    heads,
    allHeads: mergeSorted(heads.flatMap((each) => each?.sorted ?? [])),
    scopes: (options) => {
      const key = JSON.stringify(options);
      let found = cache.get(key);
      if (!found) {
        found = findScopes(groups, options).map((scope) => {
          const members = scope.groups.filter((group) => dims[group]);
          return {
            ...scope,
            groups: members,
            sorted: mergeSorted(members.flatMap((group) => dims[group]?.sorted ?? [])),
          };
        });
        cache.set(key, found);
      }
      return found;
    },
  };
}

const ranked = (scores: Float64Array): Ranked => ({ scores, sorted: scores.slice().sort() });

/** All values of some arrays, ascending. */
export function mergeSorted(arrays: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all.sort();
}

/** Mean of the channels' scores for every entry of one dimension of the group's space, over the others. */
function means(group: Group, channels: Float64Array, entry: number): Float64Array {
  const { size } = group.space[entry];
  const stride = spaceStrides(group)[entry];
  const sums = new Float64Array(size);
  for (let i = 0; i < channels.length; i++) sums[Math.floor(i / stride) % size] += channels[i];
  return sums.map((sum) => sum / (channels.length / size));
}

/** How many of the ascending numbers are at most `limit`. */
export function countUpTo(sorted: Float64Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What stays when the `removed` lowest go; of equal scores the earlier goes first. Ascending. */
export function keepHighest({ scores, sorted }: Ranked, removed: number): number[] {
  if (removed <= 0) return Array.from(scores.keys());
  const limit = sorted[removed - 1];
  let below = 0;
  while (sorted[below] < limit) below++;
  let equal = removed - below;
  const kept: number[] = [];
  for (let i = 0; i < scores.length; i++) {
    if (scores[i] < limit) continue;
    if (scores[i] === limit && equal > 0) equal--;
    else kept.push(i);
  }
  return kept;
}
