/** Times of a segment over a grid of widths, and between its points. */

export interface WidthGrid {
  /** Of every axis, ascending; a segment whose widths no plan changes has none. */
  readonly levels: readonly (readonly number[])[];
  /** Row-major over the levels. */
  readonly milliseconds: readonly number[];
}

/** Every point of a grid: places in the levels, the last axis fastest. */
export function gridPoints(levels: readonly (readonly number[])[]): readonly (readonly number[])[] {
  return levels.reduce<number[][]>(
    (points, axis) => points.flatMap((point) => axis.map((_, i) => [...point, i])),
    [[]],
  );
}

/** Where a width lies among levels: the place below it and how far it is to the next; beyond the ends along the last cell. */
function locate(levels: readonly number[], at: number): { below: number; part: number } {
  if (levels.length === 1) return { below: 0, part: 0 };
  let below = 0;
  while (below < levels.length - 2 && levels[below + 1] <= at) below++;
  return { below, part: (at - levels[below]) / (levels[below + 1] - levels[below]) };
}

/** Linear along every axis. Never under half of the least that was measured: below the grid a line says too little. */
export function interpolate({ levels, milliseconds }: WidthGrid, at: readonly number[]): number {
  const places = levels.map((axis, i) => locate(axis, at[i]));
  const strides = levels.map((_, i) => levels.slice(i + 1).reduce((size, axis) => size * axis.length, 1));
  let sum = 0;
  for (let corner = 0; corner < 2 ** levels.length; corner++) {
    let weight = 1;
    let index = 0;
    places.forEach(({ below, part }, axis) => {
      const isAbove = (corner >> axis) & 1;
      weight *= isAbove ? part : 1 - part;
      index += (below + isAbove) * strides[axis];
    });
    if (weight !== 0) sum += weight * milliseconds[index];
  }
  return Math.max(sum, Math.min(...milliseconds) / 2);
}

/**
 * Widths at shares of the dense one, as multiples of `roundTo`; the dense one itself is always the last.
 *
 * @returns ascending, each once
 */
export function widthLevels(width: number, shares: readonly number[], roundTo: number): readonly number[] {
  const rounded = shares.map((share) => {
    const multiple = Math.round((share * width) / roundTo) * roundTo;
    return Math.min(width, Math.max(multiple, Math.min(roundTo, width)));
  });
  return [...new Set([...rounded, width])].sort((a, b) => a - b);
}
