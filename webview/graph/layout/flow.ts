/** How data flow through each container: what enters, what leaves, and which child feeds which. */
import { ROOT, type Tree } from '../model/tree.ts';

/** End of an edge outside the children: the container's own entry or exit. */
export const BORDER = -1;

interface FlowEdge {
  /** Node whose value flows. */
  readonly value: number;
  /** Slot of the child, or BORDER for an entry. */
  readonly from: number;
  /** Which exit of the child, or which entry of the container. */
  readonly fromPort: number;
  /** Slot of the child, or BORDER for an exit. */
  readonly to: number;
  readonly toPort: number;
}

export interface Flow {
  /** Nodes outside whose values enter, in order of first use. */
  readonly entries: readonly number[];
  /** Nodes inside whose values are used outside. */
  readonly exits: readonly number[];
  readonly edges: readonly FlowEdge[];
}

interface FlowDraft {
  entries: Map<number, number>;
  exits: Map<number, number>;
  edges: { value: number; from: number; to: number }[];
  seen: Set<string>;
}

const port = (ports: Map<number, number>, value: number): number => {
  const known = ports.get(value);
  if (known !== undefined) return known;
  ports.set(value, ports.size);
  return ports.size - 1;
};

/** Containers around a node from the root down, each with the slot through which it leads to the node. */
function pathTo(tree: Tree, slot: readonly number[], node: number): { container: number; slot: number }[] {
  const path: { container: number; slot: number }[] = [];
  for (let item = tree.itemOfNode[node]; item !== ROOT; item = tree.items[item].parent)
    path.push({ container: tree.items[item].parent, slot: slot[item] });
  return path.reverse();
}

/** Flow of every item that has children, by item. */
export function flows(tree: Tree): ReadonlyMap<number, Flow> {
  const slot = new Array<number>(tree.items.length).fill(0);
  const drafts = new Map<number, FlowDraft>();
  for (const [index, item] of tree.items.entries()) {
    for (const [s, child] of item.children.entries()) slot[child] = s;
    if (item.children.length) drafts.set(index, { entries: new Map(), exits: new Map(), edges: [], seen: new Set() });
  }
  const paths = tree.view.nodes.map((_, node) => pathTo(tree, slot, node));
  const connect = (container: number, value: number, from: number, to: number): void => {
    const draft = drafts.get(container) as FlowDraft;
    const name = `${value} ${from} ${to}`;
    if (draft.seen.has(name)) return;
    draft.seen.add(name);
    draft.edges.push({ value, from, to });
  };
  for (const [consumer, node] of tree.view.nodes.entries())
    for (const value of node.inputs) {
      const [up, down] = [paths[value], paths[consumer]];
      let common = 0;
      while (up[common].slot === down[common].slot) common++;
      for (let i = up.length - 1; i > common; i--) {
        port((drafts.get(up[i].container) as FlowDraft).exits, value);
        connect(up[i].container, value, up[i].slot, BORDER);
      }
      connect(up[common].container, value, up[common].slot, down[common].slot);
      for (let i = common + 1; i < down.length; i++) {
        port((drafts.get(down[i].container) as FlowDraft).entries, value);
        connect(down[i].container, value, BORDER, down[i].slot);
      }
    }
  return finish(tree, drafts);
}

/** Ports are numbered when all are known. */
function finish(tree: Tree, drafts: ReadonlyMap<number, FlowDraft>): Map<number, Flow> {
  const result = new Map<number, Flow>();
  for (const [index, draft] of drafts) {
    const childPort = (slot: number, side: 'entries' | 'exits', value: number): number =>
      drafts.get(tree.items[index].children[slot])?.[side].get(value) ?? 0;
    const edges = draft.edges.map(({ value, from, to }) => ({
      value,
      from,
      fromPort: from === BORDER ? (draft.entries.get(value) as number) : childPort(from, 'exits', value),
      to,
      toPort: to === BORDER ? (draft.exits.get(value) as number) : childPort(to, 'entries', value),
    }));
    result.set(index, { entries: [...draft.entries.keys()], exits: [...draft.exits.keys()], edges });
  }
  return result;
}
