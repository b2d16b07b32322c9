/** Finding modules and layers by name or type. */
import { ROOT, type Tree } from './tree.ts';

/** A path for a person: module path or node id. */
export function pathOf(tree: Tree, index: number): string {
  const item = tree.items[index];
  return item.kind === 'node' ? tree.view.nodes[item.node].id : item.key;
}

/** How well a name fits: 0 exactly, then at the start of a part, then anywhere; undefined when it does not. */
function rank(text: string, query: string): number | undefined {
  if (text === query) return 0;
  const at = text.indexOf(query);
  if (at < 0) return undefined;
  return at === 0 || text[at - 1] === '.' ? 1 : 2;
}

/**
 * Items whose path or type contains every word of the query, best first, in the order of the network among equals.
 * Runs are left out: their blocks are found.
 */
export function search(tree: Tree, query: string): number[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const found: { index: number; rank: number }[] = [];
  for (const [index, item] of tree.items.entries()) {
    if (index === ROOT || item.kind === 'run' || !item.nodes.length) continue;
    const path = pathOf(tree, index).toLowerCase();
    const type = `${item.type} ${item.node >= 0 ? tree.view.nodes[item.node].kind : ''}`.toLowerCase();
    let total = 0;
    let fits = true;
    for (const word of words) {
      const byName = rank(path, word);
      if (byName === undefined && !type.includes(word)) {
        fits = false;
        break;
      }
      total += byName ?? 3;
    }
    if (fits) found.push({ index, rank: total });
  }
  return found
    .sort((a, b) => a.rank - b.rank || tree.items[a.index].nodes[0] - tree.items[b.index].nodes[0] || a.index - b.index)
    .map(({ index }) => index);
}
