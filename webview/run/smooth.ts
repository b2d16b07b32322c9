/** Smoothing of noisy curves. */
import type { Point } from './points.ts';

/**
 * The exponential moving average, divided by the sum of its weights so that it does not start at zero: what TensorBoard draws.
 * @param weight of what came before, 0 … 1 (excluded)
 */
export function smoothed(points: readonly Point[], weight: number): readonly Point[] {
  if (!(weight > 0)) return points;
  let sum = 0;
  let weights = 0;
  return points.map(([x, y]): Point => {
    if (Number.isFinite(y)) {
      sum = sum * weight + (1 - weight) * y;
      weights = weights * weight + (1 - weight);
    }
    return [x, weights > 0 ? sum / weights : y];
  });
}
