/** The time of a network at any widths: that of its segments, fitted to whole networks. */
import type { SetSizes } from '../planning/cost.ts';
import { axisSize, type Segment } from './segments.ts';
import { interpolate, type WidthGrid } from './width-grid.ts';

export interface MeasuredSegment {
  readonly segment: Segment;
  readonly grid: WidthGrid;
}

/** Milliseconds of all segments one after the other, as they were measured alone. */
export const segmentSum = (segments: readonly MeasuredSegment[], sizes: SetSizes): number =>
  segments.reduce(
    (sum, { segment, grid }) =>
      sum +
      interpolate(
        grid,
        segment.axes.map((axis) => axisSize(axis, sizes)),
      ),
    0,
  );

/** Whole network ≈ fixed + factor · sum of the segments. */
export interface LatencyFit {
  readonly fixed: number;
  readonly factor: number;
}

/** One network: the sum of its segments, and what it took as a whole. */
export interface LatencySample {
  readonly sum: number;
  readonly milliseconds: number;
}

/** Least squares of the relative errors. Neither part is negative: a network never takes less than its parts by a constant. */
export function fitLatency(samples: readonly LatencySample[]): LatencyFit {
  // With weights 1/t²: Σ ((fixed + factor · s − t) / t)².
  let [one, s, ss, t, st] = [0, 0, 0, 0, 0];
  for (const { sum, milliseconds } of samples) {
    const weight = 1 / milliseconds ** 2;
    one += weight;
    s += weight * sum;
    ss += weight * sum * sum;
    t += weight * milliseconds;
    st += weight * sum * milliseconds;
  }
  const determinant = one * ss - s * s;
  const factor = determinant > 1e-12 * one * ss ? (one * st - s * t) / determinant : st / ss;
  const fixed = (t - factor * s) / one;
  if (!(fixed >= 0)) return { fixed: 0, factor: st / ss };
  if (!(factor >= 0)) return { fixed: t / one, factor: 0 };
  return { fixed, factor };
}

export const fittedLatency = ({ fixed, factor }: LatencyFit, sum: number): number => fixed + factor * sum;
