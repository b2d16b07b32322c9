/** A run's points as series of the charts. The horizontal axis is epochs, fractions of one for single steps. */
import type { RunCurve } from '../../src/protocol/panels.ts';
import type { RunPoint } from '../../src/protocol/values.ts';
import type { Point, Series } from './chart.ts';

export type Measure = 'loss' | 'top1' | 'learningRate' | 'imagesPerSecond';

/** Steps of an epoch, by the points seen so far. */
export function stepsPerEpoch(points: readonly RunPoint[]): number {
  const first = points.find(({ kind }) => kind === 'epoch');
  if (first) return Math.max(1, (first.step + 1) / (first.epoch + 1));
  let most = 1;
  for (const { kind, epoch, step } of points) if (kind === 'step' && epoch === 0) most = Math.max(most, step + 1);
  return most;
}

/** Points of one measure; those of an epoch stand at its end. */
export function pointsOf(points: readonly RunPoint[], kind: RunPoint['kind'], measure: Measure): Point[] {
  const steps = stepsPerEpoch(points);
  return points.flatMap((point): Point[] => {
    const value = point[measure];
    if (point.kind !== kind || value === undefined) return [];
    return [[kind === 'epoch' ? point.epoch + 1 : (point.step + 1) / steps, value]];
  });
}

/** What each chart draws of this run and of those compared with it. */
export function seriesOf(measure: Measure, own: readonly RunPoint[], compared: readonly RunCurve[]): Series[] {
  const kind = measure === 'top1' ? 'epoch' : 'step';
  const others = compared.map(
    ({ title, points }, i): Series => ({
      label: title,
      style: `series-${(i % 4) + 1}`,
      dots: measure === 'top1',
      points: pointsOf(points, measure === 'loss' ? 'epoch' : kind, measure),
    }),
  );
  const mine: Series = {
    label: 'this run',
    style: 'series-0',
    dots: measure === 'top1',
    points: pointsOf(own, kind, measure),
  };
  if (measure !== 'loss') return [mine, ...others];
  const epochs = pointsOf(own, 'epoch', 'loss');
  return [{ ...mine, label: 'step', faint: true }, { ...mine, label: 'epoch', dots: true, points: epochs }, ...others];
}
