/** Where the arrow keys lead: along edges, and to what stands beside. */
import type { Layout, PlacedBox } from '../layout/types.ts';
import { representative } from './expansion.ts';
import { ROOT, type Tree } from './tree.ts';

export type Direction = 'down' | 'up' | 'left' | 'right';

/** Shown items that feed an item or are fed by it, in the order of the network. */
function connected(tree: Tree, open: ReadonlySet<string>, item: number, direction: 'down' | 'up'): number[] {
  const inside = new Set(tree.items[item].nodes);
  const found = new Set<number>();
  for (const [consumer, node] of tree.view.nodes.entries())
    for (const value of node.inputs) {
      const [near, far] = direction === 'down' ? [value, consumer] : [consumer, value];
      if (inside.has(near) && !inside.has(far)) found.add(representative(tree, open, far));
    }
  return [...found];
}

const middle = (box: PlacedBox): { x: number; y: number } => ({ x: box.x + box.width / 2, y: box.y + box.height / 2 });

/** The item that an arrow key leads to, or the same one at an end. */
export function neighbour(
  tree: Tree,
  open: ReadonlySet<string>,
  layout: Layout,
  item: number,
  direction: Direction,
): number {
  const boxes = new Map(layout.boxes.map((box) => [box.item, box]));
  const own = boxes.get(item);
  if (!own) return layout.boxes[0]?.item ?? ROOT;
  const from = middle(own);
  const vertical = direction === 'down' || direction === 'up';
  // An open module leads into what it holds.
  if (direction === 'down' && own.open) return tree.items[item].children[0] ?? item;
  const candidates = vertical
    ? connected(tree, open, item, direction)
    : layout.boxes
        .filter((box) => !box.open && box.y < own.y + own.height && own.y < box.y + box.height)
        .map((b) => b.item);
  const sign = direction === 'left' || direction === 'up' ? -1 : 1;
  let best = item;
  let nearest = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const box = boxes.get(candidate);
    if (!box || candidate === item) continue;
    const to = middle(box);
    const along = (vertical ? to.y - from.y : to.x - from.x) * sign;
    if (along <= 0 && !vertical) continue;
    const distance = vertical ? Math.abs(to.x - from.x) * 2 + Math.abs(to.y - from.y) : along;
    if (distance < nearest) [best, nearest] = [candidate, distance];
  }
  if (best === item && direction === 'up' && tree.items[item].parent > ROOT) return tree.items[item].parent;
  return best;
}
