/** A run's points as series of the charts. The horizontal axis is epochs, fractions of one for single steps. */
import type { RunCurve } from '../../src/protocol/panels.ts';
import type { RunPoint } from '../../src/protocol/values.ts';
import { t } from '../shared/l10n.ts';
import type { Series } from './chart.ts';
import type { Point } from './points.ts';
import { smoothed } from './smooth.ts';

type Figure = 'loss' | 'validationLoss' | 'top1' | 'learningRate' | 'imagesPerSecond';
export type Measure = Exclude<Figure, 'validationLoss'>;

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
  measure: Figure,
  known?: number,
): Point[] {
  const steps = stepsPerEpoch(points, known);
  return points.flatMap((point): Point[] => {
    const value = point[measure];
    if (point.kind !== kind || value === undefined) return [];
    return [[kind === 'epoch' ? point.epoch + 1 : (point.step + 1) / steps, value]];
  });
}

/** A noisy line as it is behind, and smoothed in front of it. */
function withSmoothed(raw: Series, weight: number): readonly Series[] {
  if (!(weight > 0)) return [raw];
  const label = t('{0}, smoothed', raw.label);
  return [
    { ...raw, faint: true },
    { ...raw, label, faint: false, points: smoothed(raw.points, weight) },
  ];
}

/**
 * What each chart draws of this run and of those compared with it.
 * @param smoothing weight of the past in the smoothed lines of single steps; 0: none are drawn
 */
export function seriesOf(
  measure: Measure,
  own: readonly RunPoint[],
  compared: readonly RunCurve[],
  known?: number,
  smoothing = 0,
): Series[] {
  const kind = measure === 'top1' ? 'epoch' : 'step';
  const others = compared.map(
    ({ title, points }, i): Series => ({
      label: title,
      style: `series-${(i % 4) + 1}`,
      compared: true,
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
  if (measure === 'imagesPerSecond') return [...withSmoothed(mine, smoothing), ...others];
  if (measure !== 'loss') return [mine, ...others];
  return [
    ...withSmoothed({ ...mine, label: t('training, step'), faint: true }, smoothing),
    { ...mine, label: t('training, epoch'), dots: true, points: pointsOf(own, 'epoch', 'loss') },
    { label: t('validation'), style: 'validation', dots: true, points: pointsOf(own, 'epoch', 'validationLoss') },
    ...others,
  ];
}

/** The epoch of a run with the best validation accuracy, the earliest of equals. */
export function bestEpoch(points: readonly RunPoint[]): (RunPoint & { readonly top1: number }) | undefined {
  let best: (RunPoint & { readonly top1: number }) | undefined;
  for (const point of points) {
    const { kind, top1 } = point;
    if (kind === 'epoch' && top1 !== undefined && (!best || top1 > best.top1)) best = { ...point, top1 };
  }
  return best;
}
