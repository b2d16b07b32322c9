/** Children, entries and exits of a container as cells of one graph, and how far down each of them comes. */
import { BORDER, type Flow } from './flow.ts';
import { type Part, SIZES } from './types.ts';

interface Cell extends Part {
  readonly kind: 'child' | 'entry' | 'exit';
}

interface CellEdge {
  /** Cell indices. */
  readonly from: number;
  readonly to: number;
  readonly fromPort: number;
  readonly toPort: number;
  /** Against the order of the cells: a module that is entered twice. */
  readonly back: boolean;
}

export interface CellGraph {
  /** Entries, children, exits: an order in which edges go forwards. */
  readonly cells: readonly Cell[];
  readonly edges: readonly CellEdge[];
  readonly incoming: readonly (readonly number[])[];
  readonly outgoing: readonly (readonly number[])[];
  /** Index of the first child. */
  readonly firstChild: number;
  readonly firstExit: number;
  /** Cell of each child. */
  readonly cellOfSlot: readonly number[];
}

const point = (kind: 'entry' | 'exit'): Cell => ({
  kind,
  width: 0,
  // What enters passes the name line before it turns.
  height: kind === 'entry' ? SIZES.header : 0,
  entries: [0],
  exits: [0],
  weight: 0,
  isInput: kind === 'entry',
});

/** Slots in an order in which edges go forwards; where modules feed each other in a circle, the earlier one comes first. */
function flowOrder(count: number, flow: Flow): number[] {
  const waiting = new Array<number>(count).fill(0);
  const readers: number[][] = Array.from({ length: count }, () => []);
  for (const { from, to } of flow.edges)
    if (from !== BORDER && to !== BORDER && from !== to) {
      waiting[to]++;
      readers[from].push(to);
    }
  const order: number[] = [];
  const done = new Array<boolean>(count).fill(false);
  while (order.length < count) {
    let next = waiting.findIndex((edges, slot) => !done[slot] && edges === 0);
    if (next < 0) next = done.indexOf(false);
    done[next] = true;
    order.push(next);
    for (const reader of readers[next]) waiting[reader]--;
  }
  return order;
}

export function cellGraph(parts: readonly Part[], flow: Flow): CellGraph {
  const firstChild = flow.entries.length;
  const firstExit = firstChild + parts.length;
  const order = flowOrder(parts.length, flow);
  const cellOfSlot = new Array<number>(parts.length).fill(0);
  for (const [place, slot] of order.entries()) cellOfSlot[slot] = firstChild + place;
  const cells: Cell[] = [
    ...flow.entries.map(() => point('entry')),
    ...order.map((slot): Cell => ({ ...parts[slot], kind: 'child' })),
    ...flow.exits.map(() => point('exit')),
  ];
  const edges = flow.edges.map((edge): CellEdge => {
    const from = edge.from === BORDER ? edge.fromPort : cellOfSlot[edge.from];
    const to = edge.to === BORDER ? firstExit + edge.toPort : cellOfSlot[edge.to];
    const [fromPort, toPort] = [edge.from === BORDER ? 0 : edge.fromPort, edge.to === BORDER ? 0 : edge.toPort];
    return { from, to, fromPort, toPort, back: from >= to };
  });
  const incoming: number[][] = cells.map(() => []);
  const outgoing: number[][] = cells.map(() => []);
  for (const [index, edge] of edges.entries()) {
    if (edge.back) continue;
    incoming[edge.to].push(index);
    outgoing[edge.from].push(index);
  }
  return { cells, edges, incoming, outgoing, firstChild, firstExit, cellOfSlot };
}

/** x of a port relative to the cell's left edge: closed boxes take everything at the middle. */
export const entryX = (cell: Part, port: number): number => cell.entries[port] ?? cell.width / 2;
export const exitX = (cell: Part, port: number): number => cell.exits[port] ?? cell.width / 2;

function gapOf(graph: CellGraph, edge: CellEdge): number {
  return graph.outgoing[edge.from].length > 1 || graph.incoming[edge.to].length > 1 ? SIZES.bend : SIZES.gap;
}

/** Cells that data reach; the others are parameters and what is made of them alone. */
function reached(graph: CellGraph): boolean[] {
  const found = graph.cells.map((cell) => cell.isInput);
  if (!found.includes(true)) return graph.cells.map(() => true);
  for (const cell of graph.cells.keys())
    found[cell] ||= graph.incoming[cell].some((edge) => found[graph.edges[edge].from]);
  return found;
}

/** y of each cell's top, from 0, and the height of all: as far up as what it reads allows; parameters next to what reads them. */
export function rowsOf(graph: CellGraph): { y: number[]; height: number } {
  const { cells, edges, incoming, outgoing, firstChild, firstExit } = graph;
  const onData = reached(graph);
  const top = firstChild > 0 || firstExit < cells.length ? SIZES.header : 0;
  const y = cells.map(() => 0);
  const bottom = (cell: number): number => y[cell] + cells[cell].height;
  for (let cell = firstChild; cell < firstExit; cell++) {
    if (!onData[cell]) continue;
    y[cell] = top;
    for (const index of incoming[cell]) {
      const edge = edges[index];
      if (onData[edge.from]) y[cell] = Math.max(y[cell], bottom(edge.from) + gapOf(graph, edge));
    }
  }
  for (let cell = firstExit - 1; cell >= firstChild; cell--) {
    if (onData[cell]) continue;
    const limits = outgoing[cell].map((index) =>
      cells[edges[index].to].kind === 'exit'
        ? Number.POSITIVE_INFINITY
        : y[edges[index].to] - gapOf(graph, edges[index]) - cells[cell].height,
    );
    const limit = Math.min(...limits);
    y[cell] = Number.isFinite(limit) ? limit : top;
  }
  const highest = Math.min(top, ...y.slice(firstChild, firstExit));
  for (let cell = firstChild; cell < firstExit; cell++) y[cell] += top - highest;
  let height = top;
  for (let cell = firstChild; cell < firstExit; cell++) height = Math.max(height, bottom(cell));
  const exits = cells.length - firstExit;
  height += exits > 1 || outgoing.some((out) => out.length > 1) ? SIZES.bend / 2 + SIZES.padding : SIZES.padding;
  for (let cell = firstExit; cell < cells.length; cell++) y[cell] = height;
  return { y, height };
}
