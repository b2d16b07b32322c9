/** Which entries of every dimension stay under a plan. */
import { UserError } from '../../../common/errors.ts';
import { type Groups, headsName, type LeafId, rootName, type SetId } from '../coupling/groups.ts';
import type { KeptChannels } from '../planning/plan-types.ts';

/** Answers for dimensions given by their leaves. */
export interface KeptEntries {
  /** Entries that stay, ascending; undefined where all do. */
  of(leaves: readonly LeafId[]): Int32Array | undefined;
  /** Size that stays, the batch as −1: a dimension of a Shape. */
  size(leaves: readonly LeafId[]): number;
  /** Size before. */
  full(leaves: readonly LeafId[]): number;
}

/** Throws UserError where the plan is for another network. */
export function keptEntries(groups: Groups, plan: KeptChannels): KeptEntries {
  const keptOfLeaf = leavesKept(groups, setsKept(groups, plan));
  const cache = new Map<string, Int32Array | undefined>();
  const of = (leaves: readonly LeafId[]): Int32Array | undefined => {
    if (leaves.every((leaf) => !keptOfLeaf[leaf])) return undefined;
    const key = leaves.join();
    if (!cache.has(key)) cache.set(key, combine(groups, keptOfLeaf, leaves));
    return cache.get(key);
  };
  return {
    of,
    full: (leaves) => leaves.reduce((product, leaf) => product * groups.leaves[leaf].size, 1),
    size: (leaves) =>
      leaves.reduce((product, leaf) => product * (keptOfLeaf[leaf]?.length ?? groups.leaves[leaf].size), 1),
  };
}

/** For every set, 1 where an entry stays; undefined where all do. */
function setsKept(groups: Groups, plan: KeptChannels): readonly (Uint8Array | undefined)[] {
  const kept: (Uint8Array | undefined)[] = groups.sets.map(() => undefined);
  const mark = (
    name: string,
    set: SetId | undefined,
    count: number,
    planned: readonly number[],
    width: number,
  ): void => {
    if (width !== count || planned.some((i) => !(i >= 0 && i < count)) || (count > 0 && !planned.length))
      throw new UserError(
        `the plan does not fit ${groups.graph.name}: ${name} has ${count} entries, the plan expects ${width}`,
      );
    if (set === undefined || planned.length === count) return;
    const flags = new Uint8Array(count);
    for (const i of planned) flags[i] = 1;
    kept[set] = flags;
  };
  const prunable = groups.groups.filter(({ dims }) => dims !== undefined);
  for (const [group, planned] of matched(prunable, plan.groups, rootName, `${groups.graph.name}: it has no group of`))
    mark(rootName(group), group.dims, group.width, planned.kept, planned.width);
  for (const [heads, planned] of matched(
    groups.heads,
    plan.heads,
    headsName,
    `${groups.graph.name}: it has no heads of`,
  ))
    mark(headsName(heads), heads.set, heads.count, planned.kept, planned.count);
  return kept;
}

/** What is planned, each with what it is planned for. In files from before names had numbers, equal ones follow their order. */
export function matched<T extends { readonly part?: number }, P extends { readonly part?: number }>(
  all: readonly T[],
  planned: readonly P[],
  nameOf: (each: T | P) => string,
  problem: string,
): readonly (readonly [T, P])[] {
  const byName = new Map(all.map((each) => [nameOf(each), each]));
  const sameName = new Map<string, T[]>();
  for (const each of all) {
    const name = nameOf({ ...each, part: undefined });
    sameName.set(name, [...(sameName.get(name) ?? []), each]);
  }
  const seen = new Map<string, number>();
  return planned.map((each) => {
    const name = nameOf(each);
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    const found = before ? sameName.get(name)?.[before] : byName.get(name);
    if (!found) throw new UserError(`the plan does not fit ${problem} ${name}`);
    return [found, each];
  });
}

/** Indices that stay of every leaf; undefined where all do. */
function leavesKept(
  { leaves, setOf, positionOf }: Groups,
  sets: readonly (Uint8Array | undefined)[],
): readonly (Int32Array | undefined)[] {
  return leaves.map(({ base, size, sets: inside }) => {
    if (!inside.some(({ set }) => sets[set])) return undefined;
    const kept = new Int32Array(size);
    let count = 0;
    for (let i = 0; i < size; i++) {
      const flags = sets[setOf[base + i]];
      if (!flags || flags[positionOf[base + i]]) kept[count++] = i;
    }
    return kept.slice(0, count);
  });
}

/** Rows of a dimension all of whose factors stay. */
function combine(
  groups: Groups,
  keptOfLeaf: readonly (Int32Array | undefined)[],
  leaves: readonly LeafId[],
): Int32Array {
  let rows: Int32Array = Int32Array.of(0);
  for (const leaf of leaves) {
    const { size } = groups.leaves[leaf];
    if (size < 0) continue;
    const kept = keptOfLeaf[leaf];
    const count = kept?.length ?? size;
    const next = new Int32Array(rows.length * count);
    let at = 0;
    for (const row of rows) for (let i = 0; i < count; i++) next[at++] = row * size + (kept ? kept[i] : i);
    rows = next;
  }
  return rows;
}
