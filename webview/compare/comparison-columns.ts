/** The columns of the comparison: what each shows, how it sorts, which direction is better, and how it is exported. */

import { accuracyMargin } from '../../src/common/confidence.ts';
import { formatBytes, formatCount, formatNumber, formatPercent } from '../../src/common/format.ts';
import type { CompareRow } from '../../src/protocol/panels.ts';
import { COST_UNIT, formatMacs } from '../shared/cost.ts';
import { t } from '../shared/l10n.ts';

export interface Column {
  readonly id: string;
  readonly heading: string;
  /** With what it was measured, for the tooltip. */
  readonly hint: string;
  /** Number to sort by and to take differences of; undefined where there is none. */
  readonly value: (row: CompareRow) => number | undefined;
  readonly format: (value: number) => string;
  /** How well the value is known, as text: `± 1.86`; '' where that is not known. */
  readonly margin?: (row: CompareRow) => string;
  /** Difference to the baseline, as text; absent: none is shown. */
  readonly difference?: (value: number, baseline: number) => string;
  /** Which sign of a difference is good news. */
  readonly better?: 'more' | 'less';
}

const signed = (value: number, text: (size: number) => string): string =>
  value === 0 ? '±0' : `${value > 0 ? '+' : '−'}${text(Math.abs(value))}`;
/** Accuracies differ by points, everything else by a share. */
const points = (value: number, baseline: number): string =>
  signed(Number(((value - baseline) * 100).toFixed(2)), (size) => size.toFixed(2));
const share = (value: number, baseline: number): string =>
  baseline === 0 ? '' : signed(Number(((value / baseline - 1) * 100).toFixed(0)), (size) => `${size} %`);

const margin = (accuracy: number, images: number): string => `± ${(100 * accuracyMargin(accuracy, images)).toFixed(1)}`;

export const columns: readonly Column[] = [
  {
    id: 'top1',
    heading: t('Top-1'),
    hint: t('share of images whose first class is right, ± half of its 95 % interval; differences in points'),
    value: ({ top1 }) => top1,
    margin: ({ top1, images }) => margin(top1, images),
    format: formatPercent,
    difference: points,
    better: 'more',
  },
  {
    id: 'top5',
    heading: t('Top-5'),
    hint: t('share of images whose class is among the first five, ± half of its 95 % interval; differences in points'),
    value: ({ top5 }) => top5,
    margin: ({ top5, images }) => margin(top5, images),
    format: formatPercent,
    difference: points,
    better: 'more',
  },
  {
    id: 'loss',
    heading: t('Loss'),
    hint: t('mean cross-entropy'),
    value: ({ loss }) => loss,
    format: formatNumber,
    difference: (value, baseline) => signed(value - baseline, formatNumber),
    better: 'less',
  },
  {
    id: 'macs',
    heading: COST_UNIT,
    hint:
      COST_UNIT === 'FLOPs'
        ? t('two for each multiply-accumulate of one image, by the paper’s counter')
        : t('multiply-accumulates of one image, by the paper’s counter'),
    value: ({ macs }) => macs,
    format: formatMacs,
    difference: share,
    better: 'less',
  },
  {
    id: 'macsTrue',
    heading: t('{0}, true', COST_UNIT),
    hint: t('multiply-accumulates of one image, projections at their real width'),
    value: ({ macsTrue }) => macsTrue,
    format: formatMacs,
    difference: share,
    better: 'less',
  },
  {
    id: 'params',
    heading: t('Params'),
    hint: t('trainable parameters'),
    value: ({ params }) => params,
    format: formatCount,
    difference: share,
    better: 'less',
  },
  {
    id: 'bytes',
    heading: t('File'),
    hint: t('size of the file'),
    value: ({ bytes }) => bytes || undefined,
    format: formatBytes,
    difference: share,
    better: 'less',
  },
  {
    id: 'latency',
    heading: t('Latency'),
    hint: t('median time of one image, batch 1; nine of ten runs took at most p90'),
    value: ({ latency }) => latency?.p50Milliseconds,
    margin: ({ latency }) =>
      latency?.p90Milliseconds === undefined ? '' : `p90 ${latency.p90Milliseconds.toPrecision(3)}`,
    format: (value) => `${value.toPrecision(3)} ms`,
    difference: share,
    better: 'less',
  },
  {
    id: 'throughput',
    heading: t('Images/s'),
    hint: t('images per second in batches, without reading them'),
    value: ({ throughput }) => throughput?.imagesPerSecond,
    format: (value) => value.toFixed(value < 10 ? 1 : 0),
    difference: share,
    better: 'more',
  },
];

/** `good`, `bad` or neither, of a value against the baseline's. */
export function verdict({ better }: Column, value: number, baseline: number): 'good' | 'bad' | '' {
  if (!better || value === baseline) return '';
  return value > baseline === (better === 'more') ? 'good' : 'bad';
}
