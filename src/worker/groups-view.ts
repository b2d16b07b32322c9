/** Groups and scopes as the model editor shows them. Heads are groups of their own there: they are chosen by themselves. */
import type { Graph } from '../engine/graph/graph.ts';
import {
  type Group,
  type Groups,
  type Heads,
  headsName,
  rootName,
  type SetId,
} from '../engine/pruning/coupling/groups.ts';
import { findScopes, type Scope, shorten } from '../engine/pruning/planning/scopes.ts';
import type { GroupMemberView, GroupsView, GroupView, ScopeView } from '../protocol/graph-view.ts';
import { scopeNames } from './scope-names.ts';

/** Where a layer's heads stand among the groups of the view: after all groups of channels. */
const headsIndex = (groups: Groups, heads: number): number => groups.groups.length + heads;

const canLose = ({ set, count }: Heads): boolean => set !== undefined && count > 1;

/** Nodes that use each parameter. */
function nodesOfParameters(graph: Graph): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (const [index, node] of graph.nodes.entries())
    for (const name of Object.values(node.parameters)) found.set(name, [...(found.get(name) ?? []), index]);
  return found;
}

function membersOf(group: Group, nodes: ReadonlyMap<string, readonly number[]>): GroupMemberView[] {
  return group.members.flatMap(({ axis, side, count }) =>
    (nodes.get(axis.parameter) ?? []).map((node) => ({ node, side, channels: count })),
  );
}

/** For every node the groups whose channels its value carries; a group's own dimensions before heads. */
function carriedGroups(groups: Groups): number[][] {
  const ofSet = new Map<SetId, number[]>();
  const add = (set: SetId | undefined, group: number): void => {
    if (set !== undefined) ofSet.set(set, [...(ofSet.get(set) ?? []), group]);
  };
  for (const { id, dims } of groups.groups) add(dims, id);
  for (const { id, set } of groups.heads) add(set, headsIndex(groups, id));
  return groups.graph.nodes.map((node) => {
    const leaves = (groups.values.get(node.id) ?? []).flat();
    const sets = leaves.flatMap((leaf) => groups.leaves[leaf].sets.map(({ set }) => set));
    return [...new Set(sets.flatMap((set) => ofSet.get(set) ?? []))].sort((a, b) => a - b);
  });
}

function scopeView({ chain, groups: members }: Scope, name: string, groups: Groups): ScopeView {
  const [first] = members;
  return {
    name,
    label: shorten(chain),
    kind: groups.groups[first]?.heads === undefined ? 'channels' : 'headDim',
    groups: members,
    channels: members.reduce((sum, group) => sum + groups.groups[group].width, 0),
  };
}

/** Groups and scopes as JSON. Scopes are isomorphic whatever the ranking: what a person compares, and what gives the colours. */
export function groupsViewOf(groups: Groups): GroupsView {
  const { graph } = groups;
  const scopes = findScopes(groups, { isomorphic: true, global: true, headDims: false });
  const scopeOf = new Map(scopes.flatMap((scope) => scope.groups.map((group) => [group, scope.id] as const)));
  const headScope = groups.heads.some(canLose) ? scopes.length : -1;
  const nodes = nodesOfParameters(graph);
  const scopeTitles = scopeNames(scopes, groups, nodes);
  const channelGroups = groups.groups.map(
    (group): GroupView => ({
      name: rootName(group),
      scope: scopeOf.get(group.id) ?? -1,
      channels: group.width,
      channelGroups: group.channelGroups,
      members: membersOf(group, nodes),
      frozen: group.frozen ?? null,
    }),
  );
  const headGroups = groups.heads.map((head): GroupView => {
    const members = head.groups.flatMap((group) => membersOf(groups.groups[group], nodes));
    const unique = new Map(members.map((member) => [`${member.node} ${member.side}`, member]));
    return {
      name: `${headsName(head)}, heads`,
      scope: canLose(head) ? headScope : -1,
      channels: head.count,
      channelGroups: 1,
      members: [...unique.values()],
      frozen: canLose(head) ? null : head.count > 1 ? 'its heads stay' : 'it is the last head',
    };
  });
  const choosable = groups.heads.filter(canLose);
  const headScopes: ScopeView[] = choosable.length
    ? [
        {
          name: 'attention heads',
          label: 'attention heads',
          kind: 'heads',
          groups: choosable.map((head) => headsIndex(groups, head.id)),
          channels: choosable.reduce((sum, { count }) => sum + count, 0),
        },
      ]
    : [];
  return {
    groups: [...channelGroups, ...headGroups],
    scopes: [...scopes.map((scope, i) => scopeView(scope, scopeTitles[i], groups)), ...headScopes],
    carried: carriedGroups(groups),
  };
}
