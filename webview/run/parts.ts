/** Parts of the run editor that are plain HTML. */
import type { RunCurve } from '../../src/protocol/panels.ts';
import type { RunPoint, RunState } from '../../src/protocol/values.ts';
import { element } from '../shared/dom.ts';
import { formatNumber, formatPercent } from '../shared/format.ts';

export const stateLabel: { readonly [S in RunState]: string } = {
  queued: 'queued',
  running: 'running',
  paused: 'paused',
  interrupted: 'interrupted',
  cancelled: 'stopped',
  failed: 'failed',
  done: 'done',
};

/** Names of the lines, once there is more than this run's. */
export function legend(compared: readonly RunCurve[]): HTMLElement[] {
  if (compared.length === 0) return [];
  const entry = (style: string, label: string): HTMLElement =>
    element('span', { class: 'legend-entry' }, element('span', { class: `swatch ${style}` }), label);
  return [entry('series-0', 'this run'), ...compared.map(({ title }, i) => entry(`series-${(i % 4) + 1}`, title))];
}

type Column = readonly [heading: string, cell: (point: RunPoint) => string];

const optional = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined ? '–' : format(value);

const COLUMNS: readonly Column[] = [
  ['epoch', ({ epoch }) => String(epoch + 1)],
  ['loss', ({ loss }) => optional(loss, formatNumber)],
  ['validation loss', ({ validationLoss }) => optional(validationLoss, formatNumber)],
  ['top-1', ({ top1 }) => optional(top1, formatPercent)],
  ['top-5', ({ top5 }) => optional(top5, formatPercent)],
  ['images/s', ({ imagesPerSecond }) => optional(imagesPerSecond, (v) => v.toFixed(0))],
];

/** The figures behind the curves, newest epoch first. */
export function epochTable(points: readonly RunPoint[]): HTMLElement {
  const epochs = points.filter(({ kind }) => kind === 'epoch').reverse();
  if (epochs.length === 0) return element('p', { class: 'muted' }, 'No epoch has ended yet.');
  const images = epochs[0].images;
  return element(
    'div',
    { class: 'scroll' },
    element(
      'table',
      {},
      ...(images
        ? [element('caption', { class: 'muted' }, `accuracies on ${images.toLocaleString('en')} images`)]
        : []),
      element('thead', {}, element('tr', {}, ...COLUMNS.map(([heading]) => element('th', { scope: 'col' }, heading)))),
      element(
        'tbody',
        {},
        ...epochs.map((point) =>
          element('tr', {}, ...COLUMNS.map(([, cell]) => element('td', { class: 'number' }, cell(point)))),
        ),
      ),
    ),
  );
}
