/** How far the network's answers move as a group gets narrower: its measured curve, and where the plan stands on it. */
import { formatLocalInteger } from '../../../src/common/format.ts';
import type { ErrorCurveView } from '../../../src/protocol/graph-view.ts';
import { element, svg } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { roughFigure } from '../model/describe.ts';

const WIDTH = 280;
const HEIGHT = 56;

/** The error at a width between two points of the curve. */
export function errorAt({ widths, errors }: ErrorCurveView, width: number): number {
  const above = widths.findIndex((known) => known >= width);
  if (above <= 0) return errors[Math.max(0, above)];
  const share = (width - widths[above - 1]) / (widths[above] - widths[above - 1]);
  return errors[above - 1] + share * (errors[above] - errors[above - 1]);
}

/** @param kept channels that the plan leaves; undefined without a plan */
export function errorCurve(
  curve: ErrorCurveView,
  kept: number | undefined,
  color: string,
  measuredOn: string,
): HTMLElement {
  const { widths, errors } = curve;
  const most = Math.max(...errors) || 1;
  const full = widths[widths.length - 1];
  const x = (width: number): number => (width / full) * WIDTH;
  const y = (error: number): number => HEIGHT - 2 - (error / most) * (HEIGHT - 4);
  const line = widths.map((width, i) => `${i ? 'L' : 'M'}${x(width).toFixed(1)} ${y(errors[i]).toFixed(1)}`).join('');
  const now = kept === undefined ? undefined : errorAt(curve, kept);
  const said =
    now === undefined
      ? t('With half of them: {0}', roughFigure(errorAt(curve, full / 2)))
      : t('With the {0} that stay: {1}', formatLocalInteger(kept ?? 0), roughFigure(now));
  const picture = svg(
    'svg',
    {
      class: 'error-curve',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': t('How far the answers move over the channels that stay. {0}', said),
    },
    svg('path', { d: line, class: 'error-curve-line', stroke: color }),
  );
  if (kept !== undefined)
    picture.append(svg('line', { x1: x(kept), x2: x(kept), y1: 0, y2: HEIGHT, class: 'histogram-threshold' }));
  return element(
    'div',
    { class: 'histogram-box', title: t('Divergence of the answers, measured on {0}', measuredOn) },
    element('p', {}, t('How far the answers move')),
    picture,
    element(
      'div',
      { class: 'histogram-axis muted' },
      element('span', {}, t('none stay')),
      element('span', {}, said),
      element('span', {}, t('all {0}', formatLocalInteger(full))),
    ),
  );
}
