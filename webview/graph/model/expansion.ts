/** Which items are open: at first as many as can be read at one glance, then what the person opens. */
import { ancestors, ROOT, stacked, type Tree } from './tree.ts';

/** Boxes that a first look should show at most. */
const READABLE = 44;

/**
 * Opens level by level while the boxes stay few; a lone child is always opened, for it alone says nothing. Equal blocks in a row are
 * shown one by one everywhere, or stacked everywhere.
 */
export function firstExpansion(tree: Tree): Set<string> {
  const oneByOne = expansion(tree, false);
  return oneByOne.hasAll ? oneByOne.open : expansion(tree, true).open;
}

/** `hasAll`: the boxes stayed few enough to show every stack's blocks. */
function expansion(tree: Tree, keepStacks: boolean): { readonly open: Set<string>; readonly hasAll: boolean } {
  const open = new Set<string>();
  let shown = tree.items[ROOT].children.length;
  let level = [...tree.items[ROOT].children];
  while (level.length) {
    const closed = level.filter(
      (item) => tree.items[item].children.length > 0 && !(keepStacks && stacked(tree, item) > 0),
    );
    const more = closed.reduce((sum, item) => sum + tree.items[item].children.length, 0);
    if (!closed.length || shown + more > READABLE) break;
    shown += more;
    for (const item of closed) open.add(tree.items[item].key);
    level = closed.flatMap((item) => tree.items[item].children);
  }
  const isIn = (item: number): boolean => open.has(tree.items[item].key);
  // What lies in blocks that stay closed is not on the picture.
  const isShown = (item: number): boolean => ancestors(tree, item).every(isIn);
  return { open, hasAll: tree.items.every((_, item) => !stacked(tree, item) || !isShown(item) || isIn(item)) };
}

export function toggled(open: ReadonlySet<string>, key: string): Set<string> {
  const next = new Set(open);
  if (!next.delete(key)) next.add(key);
  return next;
}

/** Opens or closes every item of the same structure. */
export function toggledAlike(tree: Tree, open: ReadonlySet<string>, index: number): Set<string> {
  const { structure, key } = tree.items[index];
  const next = new Set(open);
  const opening = !open.has(key);
  for (const item of tree.items)
    if (item.structure === structure && item.children.length) {
      if (opening) next.add(item.key);
      else next.delete(item.key);
    }
  return next;
}

/** Items of the same structure, this one included. */
export function countAlike(tree: Tree, index: number): number {
  const { structure } = tree.items[index];
  return tree.items.reduce((count, item) => count + (item.structure === structure ? 1 : 0), 0);
}

export function allOpen(tree: Tree): Set<string> {
  return new Set(tree.items.flatMap((item, index) => (index !== ROOT && item.children.length ? [item.key] : [])));
}

/** Opens everything around an item, so that it is on the picture. */
export function revealed(tree: Tree, open: ReadonlySet<string>, index: number): ReadonlySet<string> {
  const around = ancestors(tree, index).map((item) => tree.items[item].key);
  return around.every((key) => open.has(key)) ? open : new Set([...open, ...around]);
}

/** The item that stands for a node on the picture: the outermost closed one around it, or its own. */
export function representative(tree: Tree, open: ReadonlySet<string>, node: number): number {
  const own = tree.itemOfNode[node];
  const path = ancestors(tree, own);
  for (let i = path.length - 1; i >= 0; i--) if (!open.has(tree.items[path[i]].key)) return path[i];
  return own;
}
