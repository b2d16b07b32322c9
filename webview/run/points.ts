/** Points of a curve, x ascending: those that can be told apart, the nearest, a stretch. */
import type { Scale } from '../shared/axis.ts';

export type Point = readonly [x: number, y: number];

/** Points closer than this many pixels are drawn as their mean. */
const PIXELS_PER_POINT = 1.5;

/** At most as many points as can be told apart: each stretch of the axis gives its mean. */
export function thin(points: readonly Point[], x: Scale): readonly Point[] {
  if (points.length < 3) return points;
  const kept: Point[] = [];
  let sumX = 0;
  let sumY = 0;
  let count = 0;
  let bin = Number.NaN;
  const flush = (): void => {
    if (count) kept.push([sumX / count, sumY / count]);
    sumX = sumY = count = 0;
  };
  for (const [px, py] of points) {
    const own = Math.floor(x.at(px) / PIXELS_PER_POINT);
    if (own !== bin) flush();
    bin = own;
    sumX += px;
    sumY += py;
    count++;
  }
  flush();
  return kept;
}

/** Position of the first point at or after x. */
function positionOf(points: readonly Point[], x: number): number {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The point whose x is nearest. */
export function nearest(points: readonly Point[], x: number): Point | undefined {
  const after = positionOf(points, x);
  const [left, right] = [points[after - 1], points[after]] as readonly (Point | undefined)[];
  if (!left || !right) return left ?? right;
  return x - left[0] <= right[0] - x ? left : right;
}

/** The points of a stretch, with one more on either side so that lines go on to its edges. */
export function within(points: readonly Point[], [from, to]: readonly [number, number]): readonly Point[] {
  return points.slice(Math.max(0, positionOf(points, from) - 1), positionOf(points, to) + 1);
}
