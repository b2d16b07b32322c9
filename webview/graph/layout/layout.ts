/** Layout of the whole model for a set of open items: containers bottom-up, equal ones once, then put into place. */
import { ROOT, type Tree } from '../model/tree.ts';
import { type Flow, flows } from './flow.ts';
import { layoutContainer } from './local.ts';
import { type Layout, type LocalLayout, type Part, type PlacedBox, type PlacedEdge, SIZES } from './types.ts';
import { wrapped } from './wrap.ts';

const EMPTY_FLOW: Flow = { entries: [], exits: [], edges: [] };

/** Narrowest open container: its name must be readable. */
const NARROWEST = 200;

/** Lays out one tree again and again, keeping what equal containers have in common. */
export class LayoutEngine {
  readonly #tree: Tree;
  readonly #flows: ReadonlyMap<number, Flow>;
  /** Finished containers by structure and open descendants. */
  readonly #cache = new Map<string, { id: number; layout: LocalLayout }>();

  constructor(tree: Tree) {
    this.#tree = tree;
    this.#flows = flows(tree);
  }

  /** Layouts computed so far: equal containers share one. */
  get distinctContainers(): number {
    return this.#cache.size;
  }

  /** @param limit pixels of height from which on containers stand in columns */
  layout(open: ReadonlySet<string>, limit = Number.POSITIVE_INFINITY): Layout {
    const local = new Map<number, LocalLayout>();
    this.#measure(ROOT, open, limit, local);
    const boxes: PlacedBox[] = [];
    const edges: PlacedEdge[] = [];
    const root = local.get(ROOT) as LocalLayout;
    this.#place(ROOT, SIZES.margin, SIZES.margin, local, boxes, edges);
    return { width: root.width + 2 * SIZES.margin, height: root.height + 2 * SIZES.margin, boxes, edges };
  }

  /** Size of an item, and a number that equals another item's only if both look alike. */
  #measure(
    index: number,
    open: ReadonlySet<string>,
    limit: number,
    local: Map<number, LocalLayout>,
  ): { part: Part; id: string } {
    const item = this.#tree.items[index];
    const weight = item.nodes.length;
    if (item.kind === 'node') {
      const node = this.#tree.view.nodes[item.node];
      const size = node.inWidth > 0 ? SIZES.layer : SIZES.step;
      const isInput = node.kind === 'input';
      const id = isInput ? 'i' : node.inWidth > 0 ? 'l' : 's';
      return { part: { ...size, entries: [], exits: [], weight, isInput }, id };
    }
    if (index !== ROOT && !open.has(item.key)) {
      const isInput = item.nodes.some((node) => this.#tree.view.nodes[node].kind === 'input');
      return { part: { ...SIZES.closed, entries: [], exits: [], weight, isInput }, id: `c${weight}${isInput}` };
    }
    const children = item.children.map((child) => this.#measure(child, open, limit, local));
    const flow = this.#flows.get(index) ?? EMPTY_FLOW;
    const wires = flow.edges.map((e) => `${e.from}.${e.fromPort}>${e.to}.${e.toPort}`).join(' ');
    const key = `${limit}|${children.map((child) => child.id).join(',')}|${flow.entries.length} ${flow.exits.length}|${wires}`;
    let known = this.#cache.get(key);
    if (!known) {
      const parts = children.map((child) => child.part);
      const tall = layoutContainer(parts, flow, weight, index === ROOT ? 0 : NARROWEST);
      known = { id: this.#cache.size, layout: tall.height > limit ? wrapped(tall, parts, limit) : tall };
      this.#cache.set(key, known);
    }
    local.set(index, known.layout);
    return { part: known.layout, id: `o${known.id}` };
  }

  #place(
    index: number,
    x: number,
    y: number,
    local: ReadonlyMap<number, LocalLayout>,
    boxes: PlacedBox[],
    edges: PlacedEdge[],
  ): void {
    const item = this.#tree.items[index];
    const layout = local.get(index) as LocalLayout;
    const flow = this.#flows.get(index) ?? EMPTY_FLOW;
    for (const [i, edge] of flow.edges.entries())
      edges.push({
        value: edge.value,
        container: index,
        from: edge.from < 0 ? -1 : item.children[edge.from],
        to: edge.to < 0 ? -1 : item.children[edge.to],
        route: layout.routes[i].map((length, k) => length + (k % 3 === 0 ? x : y)),
      });
    for (const [slot, child] of item.children.entries()) {
      const [left, top] = [x + layout.positions[slot][0], y + layout.positions[slot][1]];
      const inner = local.get(child);
      const size = inner ?? this.#closedSize(child);
      boxes.push({ item: child, x: left, y: top, width: size.width, height: size.height, open: inner !== undefined });
      if (inner) this.#place(child, left, top, local, boxes, edges);
    }
  }

  #closedSize(index: number): { width: number; height: number } {
    const item = this.#tree.items[index];
    if (item.kind !== 'node') return SIZES.closed;
    return this.#tree.view.nodes[item.node].inWidth > 0 ? SIZES.layer : SIZES.step;
  }
}
