/** The frame of a chart: axes, a reference line, the best point. */
import { logTicks, type Scale, ticks } from '../shared/axis.ts';
import { svg } from '../shared/dom.ts';
import { t } from '../shared/l10n.ts';

export const HEIGHT = 200;
export const MARGIN = { top: 14, right: 12, bottom: 36, left: 52 };

/** A value with its name: a line across the chart, or a point in it. */
export interface Marked {
  readonly label: string;
  readonly value: number;
  /** Epoch of the point; absent: it holds for all. */
  readonly x?: number;
}

/** Grid, numbers and the name of the horizontal axis. */
export function axes(
  x: Scale,
  y: Scale,
  width: number,
  format: (value: number) => string,
  logarithmic: boolean,
): SVGElement[] {
  const bottom = HEIGHT - MARGIN.bottom;
  const values = logarithmic ? logTicks(y.min, y.max) : ticks(y.min, y.max, 5);
  const rows = values.flatMap((value) => [
    svg('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y.at(value), y2: y.at(value) }),
    svg('text', { class: 'tick end', x: MARGIN.left - 6, y: y.at(value) + 4 }, format(value)),
  ]);
  const wholeEpochs = (value: number): boolean => x.max - x.min < 2 || Number.isInteger(value);
  const columns = ticks(x.min, x.max, Math.min(8, Math.floor(width / 70)))
    .filter(wholeEpochs)
    .map((value) => svg('text', { class: 'tick middle', x: x.at(value), y: bottom + 15 }, String(value)));
  const middle = (MARGIN.left + width - MARGIN.right) / 2;
  return [
    ...rows,
    ...columns,
    svg(
      'text',
      { class: 'tick middle', x: middle, y: HEIGHT - 5 },
      logarithmic ? t('epoch; values on a log scale') : t('epoch'),
    ),
    svg('line', { class: 'axis', x1: MARGIN.left, x2: width - MARGIN.right, y1: bottom, y2: bottom }),
  ];
}

/** A line across the chart. */
export function referenceLine({ label, value }: Marked, y: Scale, width: number): SVGElement[] {
  return [
    svg('line', { class: 'reference', x1: MARGIN.left, x2: width - MARGIN.right, y1: y.at(value), y2: y.at(value) }),
    svg('text', { class: 'tick end', x: width - MARGIN.right, y: y.at(value) - 4 }, label),
  ];
}

/** A ring around the best epoch, with its value. */
export function bestPoint(
  { label, value, x: epoch = 0 }: Marked,
  x: Scale,
  y: Scale,
  reference: Marked | undefined,
): SVGElement[] {
  const [px, py] = [x.at(epoch), y.at(value)];
  if (epoch < x.min || epoch > x.max) return [];
  const atRight = px > (x.at(x.min) + x.at(x.max)) / 2;
  // Its text stands above, unless the chart ends there or the reference line runs through it.
  const line = reference ? y.at(reference.value) : Number.NEGATIVE_INFINITY;
  const below = py < MARGIN.top + 14 || (line < py + 2 && line > py - 20);
  return [
    svg('circle', { class: 'best', cx: px, cy: py, r: 6 }),
    svg(
      'text',
      { class: `tick${atRight ? ' end' : ''}`, x: px + (atRight ? -9 : 9), y: py + (below ? 16 : -6) },
      label,
    ),
  ];
}
