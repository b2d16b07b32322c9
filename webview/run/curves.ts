/** A run's points as series of the charts. The horizontal axis is epochs, fractions of one for single steps. */
import type { RunCurve } from '../../src/protocol/panels.ts';
import type { RunPoint } from '../../src/protocol/values.ts';
import { t } from '../shared/l10n.ts';
import type { Point, Series } from './chart.ts';

export type Measure = 'loss' | 'top1' | 'learningRate' | 'imagesPerSecond';

/** Steps of an epoch: by the first epoch that has ended, else as the run says, else by the steps seen so far. */
export function stepsPerEpoch(points: readonly RunPoint[], known?: number): number {
  const first = points.find(({ kind }) => kind === 'epoch');
  if (first) return Math.max(1, (first.step + 1) / (first.epoch + 1));
  if (known) return known;
  return points.reduce((most, { epoch, step }) => (epoch === 0 ? Math.max(most, step + 1) : most), 1);
}

/** Points of one measure; those of an epoch stand at its end. */
export function pointsOf(
  points: readonly RunPoint[],
  kind: RunPoint['kind'],
  measure: Measure,
  known?: number,
): Point[] {
  const steps = stepsPerEpoch(points, known);
  return points.flatMap((point): Point[] => {
    const value = point[measure];
    if (point.kind !== kind || value === undefined) return [];
    return [[kind === 'epoch' ? point.epoch + 1 : (point.step + 1) / steps, value]];
  });
}

/** What each chart draws of this run and of those compared with it. */
export function seriesOf(
  measure: Measure,
  own: readonly RunPoint[],
  compared: readonly RunCurve[],
  known?: number,
): Series[] {
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
    label: t('this run'),
    style: 'series-0',
    dots: measure === 'top1',
    points: pointsOf(own, kind, measure, known),
  };
  if (measure !== 'loss') return [mine, ...others];
  const epochs = pointsOf(own, 'epoch', 'loss');
  return [
    { ...mine, label: t('step'), faint: true },
    { ...mine, label: t('epoch'), dots: true, points: epochs },
    ...others,
  ];
}
