/** Tracks: chains of cells that stand one below the other. The first is the spine, the heaviest way through. */
import type { CellGraph } from './cells.ts';

export interface Track {
  /** Cells from top to bottom, each fed by the one before. */
  readonly cells: readonly number[];
  /** Edges between consecutive cells. */
  readonly links: readonly number[];
}

/** The spine begins where data enter, first of all at the first entry. */
const BONUS = 1e6;

/** The heaviest chain among the cells that are in no track yet. */
function heaviestChain(graph: CellGraph, taken: readonly boolean[]): Track {
  const weight = graph.cells.map(() => 0);
  const through = graph.cells.map(() => -1);
  let last = -1;
  for (const cell of graph.cells.keys()) {
    if (taken[cell]) continue;
    for (const edge of graph.incoming[cell]) {
      const from = graph.edges[edge].from;
      if (!taken[from] && weight[from] > weight[cell]) {
        weight[cell] = weight[from];
        through[cell] = edge;
      }
    }
    const { weight: own, isInput } = graph.cells[cell];
    weight[cell] += own + 1 + (isInput && !graph.incoming[cell].length ? BONUS / (1 + cell) : 0);
    if (last < 0 || weight[cell] > weight[last]) last = cell;
  }
  const cells = [last];
  const links: number[] = [];
  for (let edge = through[last]; edge >= 0; edge = through[cells[0]]) {
    links.unshift(edge);
    cells.unshift(graph.edges[edge].from);
  }
  return { cells, links };
}

/** Every cell in exactly one track, heaviest first. */
export function tracksOf(graph: CellGraph): Track[] {
  const taken = graph.cells.map(() => false);
  const tracks: Track[] = [];
  let left = graph.cells.length;
  while (left > 0) {
    const track = heaviestChain(graph, taken);
    for (const cell of track.cells) taken[cell] = true;
    left -= track.cells.length;
    tracks.push(track);
  }
  return tracks;
}
