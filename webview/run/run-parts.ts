/** Parts of the run editor that are plain HTML. */

import { formatAccuracy } from '../../src/common/confidence.ts';
import { formatInteger, formatNumber, formatPercent } from '../../src/common/format.ts';
import type { RunCurve } from '../../src/protocol/panels.ts';
import type { RunPoint, RunState } from '../../src/protocol/values.ts';
import { element } from '../shared/dom.ts';
import { t } from '../shared/l10n.ts';
import { legendEntry } from './chart.ts';
import { bestEpoch } from './curves.ts';

export const stateLabel: { readonly [S in RunState]: () => string } = {
  queued: () => t('queued'),
  running: () => t('running'),
  paused: () => t('paused'),
  interrupted: () => t('interrupted'),
  cancelled: () => t('stopped'),
  failed: () => t('failed'),
  done: () => t('done'),
};

/** Names of the lines, once there is more than this run's. */
export function legend(compared: readonly RunCurve[]): HTMLElement[] {
  if (compared.length === 0) return [];
  return [
    legendEntry('series-0', t('this run')),
    ...compared.map(({ title }, i) => legendEntry(`series-${(i % 4) + 1}`, title)),
  ];
}

type Column = readonly [heading: string, cell: (point: RunPoint) => string];

const optional = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined ? '–' : format(value);

const accuracy = (share: number | undefined, images: number | undefined): string =>
  share === undefined ? '–' : images ? formatAccuracy(share, images, 2) : formatPercent(share);

const COLUMNS: readonly Column[] = [
  [t('epoch'), ({ epoch }) => String(epoch + 1)],
  [t('training loss'), ({ loss }) => optional(loss, formatNumber)],
  [t('validation loss'), ({ validationLoss }) => optional(validationLoss, formatNumber)],
  [t('validation top-1'), ({ top1, images }) => accuracy(top1, images)],
  [t('validation top-5'), ({ top5, images }) => accuracy(top5, images)],
  [t('images/s'), ({ imagesPerSecond }) => optional(imagesPerSecond, (v) => v.toFixed(0))],
];

/** The figures behind the curves, newest epoch first. */
export function epochTable(points: readonly RunPoint[]): HTMLElement {
  const epochs = points.filter(({ kind }) => kind === 'epoch').reverse();
  if (epochs.length === 0) return element('p', { class: 'muted' }, t('No epoch has ended yet.'));
  const images = epochs[0].images;
  const best = bestEpoch(points);
  return element(
    'table',
    {},
    ...(images ? [element('caption', { class: 'muted' }, t('accuracies on {0} images', formatInteger(images)))] : []),
    element('thead', {}, element('tr', {}, ...COLUMNS.map(([heading]) => element('th', { scope: 'col' }, heading)))),
    element(
      'tbody',
      {},
      ...epochs.map((point) => {
        const isBest = point.epoch === best?.epoch;
        const cells = COLUMNS.map(([, cell], i) =>
          element('td', { class: 'number' }, i === 0 && isBest ? t('best: {0}', cell(point)) : cell(point)),
        );
        return element('tr', { class: isBest ? 'best-epoch' : undefined }, ...cells);
      }),
    ),
  );
}
