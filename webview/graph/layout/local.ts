/**
 * Layout of one container by itself, a pure function of its children's sizes and its flow.
 *
 * Children stand on tracks (chains, one below the other). The heaviest chain is the spine and runs straight; branches
 * stand beside it; a ribbon that skips over others runs in a lane of its own, shared by all that read the same value.
 */
import { type CellGraph, cellGraph, entryX, exitX, rowsOf } from './cells.ts';
import type { Flow } from './flow.ts';
import { Columns, type Rect } from './placement.ts';
import { type Track, tracksOf } from './tracks.ts';
import { type LocalLayout, type Part, type Route, SIZES } from './types.ts';

interface Placing {
  readonly graph: CellGraph;
  readonly y: readonly number[];
  /** Left edge of each cell. */
  readonly x: number[];
  /** How each edge runs: in the column of its start, of its end, or in a lane at this x. */
  readonly lane: number[];
}

const bottomOf = ({ graph, y }: Placing, cell: number): number => y[cell] + graph.cells[cell].height;

/** Edge that comes from furthest down, or leads to what is nearest: the one that runs in the track's own column. */
function bestEdge(placing: Placing, edges: readonly number[], side: 'from' | 'to'): number {
  const { graph, y } = placing;
  const distance = (index: number): number =>
    side === 'from' ? -bottomOf(placing, graph.edges[index].from) : y[graph.edges[index].to];
  return edges.reduce((best, index) => (best < 0 || distance(index) < distance(best) ? index : best), -1);
}

/** Rectangles of a track around x = 0 at its first cell's middle line, and that line of each of its cells. */
function trackRects(placing: Placing, track: Track, corridors: { in: number; out: number }): [Rect[], number[]] {
  const { graph, y } = placing;
  const lefts: number[] = [];
  const rects: Rect[] = [];
  let line = 0;
  const lane = (top: number, bottom: number): void => {
    if (bottom > top) rects.push({ left: line - SIZES.lane / 2, right: line + SIZES.lane / 2, top, bottom });
  };
  for (const [i, cell] of track.cells.entries()) {
    const part = graph.cells[cell];
    const into = i > 0 ? track.links[i - 1] : corridors.in;
    const left = line - entryX(part, into >= 0 ? graph.edges[into].toPort : 0);
    const from = into >= 0 ? bottomOf(placing, graph.edges[into].from) : y[cell];
    lane(from, y[cell]);
    lefts.push(left);
    rects.push({ left, right: left + part.width, top: y[cell], bottom: y[cell] + part.height });
    const out = i < track.links.length ? track.links[i] : corridors.out;
    line = left + exitX(part, out >= 0 ? graph.edges[out].fromPort : 0);
  }
  const last = track.cells[track.cells.length - 1];
  if (corridors.out >= 0) lane(bottomOf(placing, last), y[graph.edges[corridors.out].to]);
  return [rects, lefts];
}

/** Places all tracks; returns the edges that run in a track's column. */
function placeTracks(placing: Placing, columns: Columns): Set<number> {
  const { graph } = placing;
  const direct = new Set<number>();
  for (const track of tracksOf(graph)) {
    const corridors = {
      in: bestEdge(placing, graph.incoming[track.cells[0]], 'from'),
      out: bestEdge(placing, graph.outgoing[track.cells[track.cells.length - 1]], 'to'),
    };
    const [rects, lefts] = trackRects(placing, track, corridors);
    const x = columns.place(rects, 0);
    for (const [i, cell] of track.cells.entries()) placing.x[cell] = x + lefts[i];
    for (const edge of [...track.links, corridors.in, corridors.out]) if (edge >= 0) direct.add(edge);
    const [first, last] = [track.cells[0], track.cells[track.cells.length - 1]];
    if (corridors.in >= 0)
      placing.lane[corridors.in] = placing.x[first] + entryX(graph.cells[first], graph.edges[corridors.in].toPort);
    if (corridors.out >= 0 && !Number.isFinite(placing.lane[corridors.out]))
      placing.lane[corridors.out] = placing.x[last] + exitX(graph.cells[last], graph.edges[corridors.out].fromPort);
  }
  return direct;
}

/** Gives the remaining edges lanes: one for each value, as long as its furthest reader needs. */
function placeLanes(placing: Placing, columns: Columns, direct: ReadonlySet<number>): void {
  const { graph, y } = placing;
  const bySource = new Map<string, number[]>();
  for (const [index, edge] of graph.edges.entries()) {
    if (direct.has(index)) continue;
    const key = `${edge.from}.${edge.fromPort}`;
    bySource.set(key, [...(bySource.get(key) ?? []), index]);
  }
  for (const indices of bySource.values()) {
    const { from, fromPort } = graph.edges[indices[0]];
    const start = bottomOf(placing, from);
    const ends = indices.map((index) => y[graph.edges[index].to]);
    const [top, bottom] = [Math.min(start, ...ends), Math.max(start, ...ends)];
    const source = placing.x[from] + exitX(graph.cells[from], fromPort);
    const half = SIZES.lane / 2;
    const rect = { left: -half, right: half, top: top + 1, bottom: Math.max(bottom - 1, top + 2) };
    const x = columns.place([rect], source);
    for (const index of indices) placing.lane[index] = x;
  }
}

/** Vertical runs of an edge: out of its start, along its lane, into its end. */
function routeOf(placing: Placing, index: number): Route {
  const { graph, x, y, lane } = placing;
  const edge = graph.edges[index];
  const startX = x[edge.from] + exitX(graph.cells[edge.from], edge.fromPort);
  const endX = x[edge.to] + entryX(graph.cells[edge.to], edge.toPort);
  const [start, end] = [bottomOf(placing, edge.from), y[edge.to]];
  const along = Number.isFinite(lane[index]) ? lane[index] : startX;
  const top = y[edge.from];
  const isEntry = graph.cells[edge.from].kind === 'entry';
  if (along === startX && along === endX) return [startX, isEntry ? top : start, end];
  const bend =
    Math.sign(end - start) *
    Math.min(SIZES.bend - 4, Math.abs(end - start) / (along === startX || along === endX ? 1 : 2));
  const runs: number[] = [];
  let from = isEntry && along === startX ? top : start;
  if (along !== startX) {
    runs.push(startX, isEntry ? top : start, start);
    from = start + bend;
  }
  const to = along === endX ? end : end - bend;
  runs.push(along, from, to);
  if (along !== endX) runs.push(endX, end, end);
  return runs;
}

/** Lays a container out. Its spine's entry and exit, when both are on one line, pass straight through. */
export function layoutContainer(parts: readonly Part[], flow: Flow, weight: number, minimumWidth: number): LocalLayout {
  const graph = cellGraph(parts, flow);
  const { y, height } = rowsOf(graph);
  const placing: Placing = { graph, y, x: graph.cells.map(() => 0), lane: graph.edges.map(() => Number.NaN) };
  const columns = new Columns();
  const direct = placeTracks(placing, columns);
  placeLanes(placing, columns, direct);
  const bounds = columns.bounds();
  const content = bounds.right - bounds.left + 2 * SIZES.padding;
  const width = Math.max(content, minimumWidth);
  const shift = SIZES.padding - bounds.left + (width - content) / 2;
  for (const cell of placing.x.keys()) placing.x[cell] += shift;
  for (const edge of placing.lane.keys()) placing.lane[edge] += shift;
  const { firstChild, firstExit } = graph;
  return {
    width,
    height,
    entries: placing.x.slice(0, firstChild),
    exits: placing.x.slice(firstExit),
    weight,
    isInput: parts.some((part) => part.isInput),
    positions: graph.cellOfSlot.map((cell) => [placing.x[cell], y[cell]] as const),
    routes: graph.edges.map((_, index) => routeOf(placing, index)),
  };
}
