/**
 * A tall container in columns: its rows are cut where no box is in the way, and what follows a cut stands at the right of what is
 * before it. Ribbons that cross a cut run below the column, up a gutter and into the next one, each in a lane of its own, so that no
 * two of them cross there.
 */
import { type LocalLayout, type Part, type Route, SIZES } from './types.ts';

const LANE = SIZES.lane;

interface Column {
  /** Where it ends before wrapping: the cut. */
  readonly end: number;
  /** First and last pixel of its boxes before wrapping. */
  readonly top: number;
  readonly bottom: number;
  /** What its boxes and ribbons reach over from left to right, before wrapping. */
  left: number;
  right: number;
  /** How far its content moves. */
  dx: number;
  dy: number;
  /** x of the ribbons that leave it over its cut, from the right: the rightmost turns first. */
  crossings: number[];
}

/** Cuts between rows so that no column is taller than the limit, unless a single row is. */
function columnsOf(layout: LocalLayout, parts: readonly Part[], limit: number): Column[] {
  const boxes = layout.positions
    .map(([, y], slot) => ({ top: y, bottom: y + parts[slot].height }))
    .sort((a, b) => a.top - b.top);
  const columns: Column[] = [];
  const column = (end: number, top: number, bottom: number): Column => ({
    end,
    top,
    bottom,
    left: Number.POSITIVE_INFINITY,
    right: 0,
    dx: 0,
    dy: 0,
    crossings: [],
  });
  let start = boxes[0]?.top ?? 0;
  let bottom = start;
  let cut: { readonly at: number; readonly above: number; readonly below: number } | undefined;
  for (const box of boxes) {
    if (box.top >= bottom && box.top > start) cut = { at: (bottom + box.top) / 2, above: bottom, below: box.top };
    bottom = Math.max(bottom, box.bottom);
    if (!cut || bottom - start <= limit) continue;
    columns.push(column(cut.at, start, cut.above));
    start = cut.below;
    cut = undefined;
  }
  columns.push(column(Number.POSITIVE_INFINITY, start, bottom));
  return columns;
}

const columnAt = (columns: readonly Column[], y: number): number => columns.findIndex(({ end }) => y < end);

/** Calls back for every cut that a route crosses, with the x at which it does; false where it runs upwards over one. */
function eachCrossing(columns: readonly Column[], route: Route, visit: (column: number, x: number) => void): boolean {
  let column = columnAt(columns, route[1]);
  let x = route[0];
  for (let run = 0; run < route.length; run += 3) {
    for (const y of [route[run + 1], route[run + 2]]) {
      const next = columnAt(columns, y);
      if (next < column) return false;
      for (; column < next; column++) visit(column, x);
      x = route[run];
    }
  }
  return true;
}

/** Finds the lanes of all cuts; false where some ribbon runs upwards over one. */
function findCrossings(columns: readonly Column[], routes: readonly Route[]): boolean {
  for (const route of routes) {
    const fits = eachCrossing(columns, route, (column, x) => {
      if (!columns[column].crossings.includes(x)) columns[column].crossings.push(x);
    });
    if (!fits) return false;
  }
  for (const { crossings } of columns) crossings.sort((a, b) => b - a);
  return true;
}

/** Finds how far each column reaches to either side; the first begins at the container's edge. */
function measure(columns: readonly Column[], layout: LocalLayout, parts: readonly Part[]): void {
  const reach = (column: Column, left: number, right: number): void => {
    column.left = Math.min(column.left, left);
    column.right = Math.max(column.right, right);
  };
  for (const [slot, [x, y]] of layout.positions.entries())
    reach(columns[columnAt(columns, y)], x, x + parts[slot].width);
  for (const route of layout.routes)
    for (let run = 0; run < route.length; run += 3) {
      const last = columnAt(columns, route[run + 2]);
      for (let column = columnAt(columns, route[run + 1]); column <= last; column++)
        reach(columns[column], route[run] - LANE / 2, route[run] + LANE / 2);
    }
  columns[0].left = SIZES.padding;
}

/** Puts the columns side by side; gives where they end at the right, and their content at the bottom. */
function place(columns: readonly Column[]): { readonly width: number; readonly bottom: number } {
  const top = columns[0].top;
  let edge = 0;
  let before = 0;
  for (const column of columns) {
    column.dx = edge + SIZES.padding - column.left;
    column.dy = column === columns[0] ? 0 : top + before * LANE - column.top;
    before = column.crossings.length;
    edge = column.right + column.dx + SIZES.padding + before * LANE;
  }
  return { width: edge, bottom: Math.max(...columns.map(({ bottom, dy }) => bottom + dy)) };
}

interface Frame {
  readonly columns: readonly Column[];
  /** Where the boxes end, and the container, after wrapping. */
  readonly contentBottom: number;
  readonly height: number;
  /** The container's height before. */
  readonly before: number;
}

/** Over the cut of a column: down to its lane below all columns, up its gutter, and down into the next column. */
function crossing({ columns, contentBottom }: Frame, column: number, x: number): readonly [number, number, number[]] {
  const { crossings, dx, right } = columns[column];
  const lane = crossings.indexOf(x);
  const gutter = right + dx + SIZES.padding + (lane + 0.5) * LANE;
  const below = contentBottom + (lane + 0.5) * LANE;
  const above = columns[0].top + (lane + 0.5) * LANE - LANE / 2;
  return [below, above, [gutter, below, above]];
}

function rerouted(frame: Frame, route: Route): Route {
  const { columns, before, height } = frame;
  const result: number[] = [];
  let column = columnAt(columns, route[1]);
  let start = route[1] + columns[column].dy;
  for (let run = 0; run < route.length; run += 3) {
    const [x, to] = [route[run], route[run + 2]];
    const isLast = run + 3 >= route.length;
    // A bend that lies over a cut is made after it: this run goes on straight, and the next one begins at its lane's end.
    const end = columnAt(columns, isLast ? to : route[run + 4]);
    const bendsOver = !isLast && end > columnAt(columns, to);
    while (column < end) {
      const [below, above, gutter] = crossing(frame, column, x);
      result.push(x + columns[column].dx, start, below, ...gutter);
      column++;
      start = above;
    }
    if (bendsOver) continue;
    const { dx, dy } = columns[column];
    result.push(x + dx, start, to === before ? height : to + dy);
    if (!isLast) start = route[run + 4] + dy;
  }
  return result;
}

/** The layout in columns of at most about `limit` pixels; as it is where it is not taller, or cannot be cut. */
export function wrapped(layout: LocalLayout, parts: readonly Part[], limit: number): LocalLayout {
  const columns = columnsOf(layout, parts, limit);
  if (columns.length < 2 || !findCrossings(columns, layout.routes)) return layout;
  measure(columns, layout, parts);
  const { width, bottom: contentBottom } = place(columns);
  const lanes = Math.max(...columns.map(({ crossings }) => crossings.length));
  const lastBottom = columns[columns.length - 1].bottom;
  const height = contentBottom + lanes * LANE + (layout.height - lastBottom);
  const frame: Frame = { columns, contentBottom, height, before: layout.height };
  const last = columns[columns.length - 1];
  return {
    ...layout,
    // Its name needs as much room as before.
    width: Math.max(width, layout.width),
    height,
    exits: layout.exits.map((x) => x + last.dx),
    positions: layout.positions.map(([x, y]) => {
      const { dx, dy } = columns[columnAt(columns, y)];
      return [x + dx, y + dy] as const;
    }),
    routes: layout.routes.map((route) => rerouted(frame, route)),
  };
}
