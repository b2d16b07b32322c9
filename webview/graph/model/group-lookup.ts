/** Looking things up among groups and scopes: which groups a node belongs to, on which side. */
import type { GraphView, GroupsView, ScoresView, Side } from '../../../src/protocol/graph-view.ts';

export interface GroupIndex {
  readonly view: GroupsView;
  /** Groups of a node's outputs and inputs. */
  groupsOf(node: number, side: Side): readonly number[];
  /** Groups whose channels a node's value carries. */
  carried(node: number): readonly number[];
}

const NONE: readonly number[] = [];

export function indexGroups(view: GroupsView): GroupIndex {
  const sides: Record<Side, Map<number, number[]>> = { out: new Map(), in: new Map() };
  for (const [group, { members }] of view.groups.entries())
    for (const { node, side } of members) {
      const known = sides[side].get(node);
      if (!known) sides[side].set(node, [group]);
      else if (!known.includes(group)) known.push(group);
    }
  return {
    view,
    groupsOf: (node, side) => sides[side].get(node) ?? NONE,
    carried: (node) => view.carried[node] ?? NONE,
  };
}

/**
 * The dense network's groups on a network that was pruned from it: layers of the same name stand for each other, those that were
 * removed are left out. Counts of channels stay the dense network's.
 */
export function groupsOnto(groups: GroupsView, from: GraphView, to: GraphView): GroupsView {
  const byId = new Map(to.nodes.map(({ id }, node) => [id, node]));
  const there = from.nodes.map(({ id }) => byId.get(id));
  const carried: (readonly number[])[] = to.nodes.map(() => NONE);
  for (const [node, own] of groups.carried.entries()) {
    const target = there[node];
    if (target !== undefined) carried[target] = own;
  }
  return {
    ...groups,
    carried,
    groups: groups.groups.map((group) => ({
      ...group,
      members: group.members.flatMap((member) => {
        const node = there[member.node];
        return node === undefined ? [] : [{ ...member, node }];
      }),
    })),
  };
}

/** The scope that gives a node's value its colour; −1 when nothing of it can be pruned. */
export function valueScope(index: GroupIndex, node: number): number {
  for (const group of index.carried(node))
    if (index.view.groups[group].scope >= 0) return index.view.groups[group].scope;
  for (const group of index.groupsOf(node, 'out'))
    if (index.view.groups[group].scope >= 0) return index.view.groups[group].scope;
  return -1;
}

/** Bin in which the middle score of a histogram lies. */
function medianBin(counts: readonly number[]): number {
  const half = counts.reduce((sum, count) => sum + count, 0) / 2;
  let below = 0;
  for (const [bin, count] of counts.entries()) {
    below += count;
    if (below >= half && count > 0) return bin;
  }
  return -1;
}

/**
 * How important each group is among its scope: the share of the scope's scores that lie below the group's median, 0 … 1;
 * undefined without scores. Means say nothing here, since every group's scores average 1.
 */
export function importances(groups: GroupsView, scores: ScoresView | null): (number | undefined)[] {
  if (!scores) return groups.groups.map(() => undefined);
  return groups.groups.map(({ scope }, group) => {
    const counts = scores.groups[group];
    const all = scores.scopes[scope]?.counts;
    if (!all?.length || !counts?.length) return undefined;
    const bin = medianBin(counts);
    const total = all.reduce((sum, count) => sum + count, 0);
    if (bin < 0 || !total) return undefined;
    const below = all.slice(0, bin).reduce((sum, count) => sum + count, 0);
    return (below + all[bin] / 2) / total;
  });
}
