/** What is selected, and what lights up with it. */
import type { Side } from '../../../src/protocol/graph-view.ts';
import { representative } from './expansion.ts';
import type { GroupIndex } from './group-lookup.ts';
import type { Tree } from './tree.ts';

export interface Selection {
  /** Item that the person chose; −1 when none is. */
  readonly item: number;
  /** Whose group lights up: what leaves the layer or what enters it. */
  readonly side: Side;
  /** A whole scope instead of one group. */
  readonly scope: number | null;
}

export const NOTHING: Selection = { item: -1, side: 'out', scope: null };

export interface Highlight {
  readonly groups: readonly number[];
  /** Nodes that are members. */
  readonly members: ReadonlySet<number>;
  /** Nodes whose values carry the groups' channels: their ribbons light up. */
  readonly values: ReadonlySet<number>;
}

const NO_HIGHLIGHT: Highlight = { groups: [], members: new Set(), values: new Set() };

/** Groups that belong to a node's side; the other side's where that has none; those its value carries otherwise. */
export function groupsFor(index: GroupIndex, node: number, side: Side): readonly number[] {
  const own = index.groupsOf(node, side);
  if (own.length) return own;
  const other = index.groupsOf(node, side === 'out' ? 'in' : 'out');
  return other.length ? other : index.carried(node);
}

export function highlightOf(tree: Tree, index: GroupIndex | null, selection: Selection): Highlight {
  if (!index) return NO_HIGHLIGHT;
  const node = selection.item >= 0 ? tree.items[selection.item].node : -1;
  const groups =
    selection.scope !== null
      ? (index.view.scopes[selection.scope]?.groups ?? [])
      : node >= 0
        ? groupsFor(index, node, selection.side)
        : [];
  if (!groups.length) return NO_HIGHLIGHT;
  const chosen = new Set(groups);
  const members = new Set<number>();
  for (const group of groups) for (const member of index.view.groups[group].members) members.add(member.node);
  const values = new Set<number>();
  for (const value of tree.view.nodes.keys())
    if (index.carried(value).some((group) => chosen.has(group))) values.add(value);
  return { groups, members, values };
}

/** Members that closed boxes hide: how many, by item. */
export function badges(tree: Tree, open: ReadonlySet<string>, highlight: Highlight): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const node of highlight.members) {
    const shown = representative(tree, open, node);
    if (tree.items[shown].kind !== 'node') counts.set(shown, (counts.get(shown) ?? 0) + 1);
  }
  return counts;
}

/** The item to select for a node id or a module path; −1 when the model has neither. */
export function findItem(tree: Tree, name: string): number {
  return tree.byKey.get(`#${name}`) ?? tree.byKey.get(name) ?? -1;
}
