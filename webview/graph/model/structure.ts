/** Structure numbers: equal for modules that hold the same operations, nested and wired alike. */
import type { GraphView } from '../../../src/protocol/graph-view.ts';
import type { Draft } from './items.ts';

/** Position of each item among its parent's children. */
function slots(drafts: readonly Draft[]): number[] {
  const found = new Array<number>(drafts.length).fill(0);
  for (const draft of drafts)
    for (const [slot, child] of draft.children.entries()) {
      found[child] = slot;
    }
  return found;
}

/** Describes a module as text: per node its place, its label and where its inputs come from (inside or which entry). */
function describe(
  view: GraphView,
  drafts: readonly Draft[],
  index: number,
  itemOfNode: readonly number[],
  slot: number[],
): string {
  const local = new Map(drafts[index].nodes.map((node, i) => [node, i]));
  const entries = new Map<number, number>();
  const parts = drafts[index].nodes.map((node) => {
    const { label, inputs } = view.nodes[node];
    let place = '';
    for (let item = itemOfNode[node]; item !== index; item = drafts[item].parent) place = `${slot[item]}.${place}`;
    const wires = inputs.map((input) => {
      const inside = local.get(input);
      if (inside !== undefined) return inside;
      if (!entries.has(input)) entries.set(input, entries.size);
      return `e${entries.get(input)}`;
    });
    return `${place}${label}(${wires.join(',')})`;
  });
  return parts.join(';');
}

/** Sets `structure` of every item: an interned number. */
export function structureOf(view: GraphView, drafts: Draft[], itemOfNode: readonly number[]): void {
  const slot = slots(drafts);
  const interned = new Map<string, number>();
  for (const [index, draft] of drafts.entries()) {
    const text =
      draft.kind === 'node' ? view.nodes[draft.node].label : `{${describe(view, drafts, index, itemOfNode, slot)}`;
    if (!interned.has(text)) interned.set(text, interned.size);
    draft.structure = interned.get(text) as number;
  }
}
