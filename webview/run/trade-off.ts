/** Accuracy over MACs and over time of an exploration's networks; a click on one shows its figures and offers its plan. */
import './trade-off.css';
import { formatPercent } from '../../src/common/format.ts';
import type { TradeOff, TradeOffPoint } from '../../src/protocol/trade-off.ts';
import { button } from '../shared/controls.ts';
import { COST_UNIT, formatMacs } from '../shared/cost.ts';
import { element, setText, svg } from '../shared/dom.ts';
import { t } from '../shared/l10n.ts';
import { type PlotAxis, plotGrid, plotScales } from '../shared/plot.ts';

const HEIGHT = 240;
const MARGIN = { top: 24, right: 16, bottom: 40, left: 56 };

type Mode = TradeOffPoint['mode'];

const MODE_NAMES: { readonly [M in Mode]: () => string } = {
  dense: () => t('dense'),
  pruned: () => t('pruned'),
  repaired: () => t('repaired'),
  sensitivity: () => t('repaired, by sensitivity'),
  reconstruction: () => t('repaired, by sensitivity and reconstruction'),
};

interface Axis extends PlotAxis {
  readonly of: (point: TradeOffPoint) => number | undefined;
}

/** Shapes as well as colours tell the ways apart. */
function markShape(mode: Mode, x: number, y: number): SVGElement {
  if (mode === 'dense') return svg('rect', { x: x - 5, y: y - 5, width: 10, height: 10 });
  if (mode === 'pruned') return svg('circle', { cx: x, cy: y, r: 5 });
  if (mode === 'repaired')
    return svg('rect', { x: x - 4.5, y: y - 4.5, width: 9, height: 9, transform: `rotate(45 ${x} ${y})` });
  const up = mode === 'sensitivity' ? 1 : -1;
  return svg('path', { d: `M${x} ${y - 6 * up}L${x + 6} ${y + 5 * up}L${x - 6} ${y + 5 * up}Z` });
}

export class TradeOffView {
  readonly root: HTMLElement;
  readonly #pictures = element('div', { class: 'trade-off-pictures' });
  readonly #legend = element('div', { class: 'trade-off-legend' });
  readonly #figures = element('p', { class: 'trade-off-figures', role: 'status' });
  readonly #take: HTMLElement;
  #tradeOff: TradeOff | undefined;
  #selected: number | undefined;

  /** @param onTake the plan of the point at this place is wanted */
  constructor(onTake: (point: number) => void) {
    this.#take = button(t('Take this plan'), {
      icon: 'check',
      look: 'primary',
      onClick: () => this.#selected !== undefined && onTake(this.#selected),
    });
    this.root = element(
      'section',
      { class: 'trade-off', 'aria-label': t('Trade-off') },
      this.#legend,
      this.#pictures,
      element('div', { class: 'trade-off-chosen' }, this.#figures, this.#take),
    );
    new ResizeObserver(() => this.#draw()).observe(this.root);
    this.show(undefined);
  }

  show(tradeOff: TradeOff | undefined): void {
    this.#tradeOff = tradeOff;
    this.#selected = undefined;
    this.root.hidden = !tradeOff;
    this.#draw();
  }

  #select(place: number): void {
    this.#selected = place;
    this.#draw();
    this.#pictures.querySelector<SVGElement>('.mark.selected')?.focus();
  }

  #draw(): void {
    const { points = [] } = this.#tradeOff ?? {};
    if (!points.length) return;
    const isLabelled = points.some(({ top1 }) => top1 !== undefined);
    const y: Axis = {
      title: isLabelled ? t('Top-1') : t('Same class as the dense model'),
      of: (point) => (isLabelled ? point.top1 : point.mode === 'dense' ? 1 : point.agreement),
      format: (value) => formatPercent(value, 1),
    };
    const focused = document.activeElement instanceof SVGElement ? document.activeElement.dataset['mark'] : undefined;
    const axes: readonly Axis[] = [
      { title: t('{0} of one image', COST_UNIT), of: ({ macs }) => macs, format: formatMacs },
      {
        title: t('Milliseconds, batch 1'),
        of: ({ latency }) => latency,
        format: (value) => String(value),
      },
    ];
    this.#pictures.replaceChildren(...axes.map((x, i) => this.#picture(points, x, y, i)));
    if (focused) this.#pictures.querySelector<SVGElement>(`[data-mark="${focused}"]`)?.focus();
    const modes = [...new Set(points.map(({ mode }) => mode))];
    const backend = element('span', { class: 'muted' }, this.#tradeOff?.backend ?? '');
    this.#legend.replaceChildren(...modes.map(legendEntry), backend);
    const chosen = this.#selected === undefined ? undefined : points[this.#selected];
    setText(this.#figures, chosen ? figuresOf(chosen) : t('Choose a network in the picture to see its figures.'));
    this.#take.hidden = chosen?.plan === undefined;
  }

  #picture(points: readonly TradeOffPoint[], xAxis: Axis, yAxis: Axis, index: number): SVGElement {
    const width = Math.max(
      240,
      Math.min(560, this.root.clientWidth > 900 ? this.root.clientWidth / 2 - 12 : this.root.clientWidth),
    );
    const shown = points.flatMap((point, place) => {
      const [px, py] = [xAxis.of(point), yAxis.of(point)];
      return px === undefined || py === undefined ? [] : [{ point, place, px, py }];
    });
    const area = { width, height: HEIGHT, margin: MARGIN };
    const scales = plotScales(
      area,
      shown.map(({ px }) => px),
      shown.map(({ py }) => py),
    );
    const { x, y } = scales;
    const picture = svg('svg', { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'group' });
    picture.setAttribute('aria-label', `${yAxis.title}, ${xAxis.title}`);
    picture.append(...plotGrid(area, scales, xAxis, yAxis));
    for (const mode of new Set(shown.map(({ point }) => point.mode))) {
      const own = shown.filter(({ point }) => point.mode === mode || (mode !== 'dense' && point.mode === 'dense'));
      const path = own.sort((a, b) => a.px - b.px).map(({ px, py }) => `${x.at(px)},${y.at(py)}`);
      picture.append(svg('polyline', { class: `way ${mode}`, points: path.join(' ') }));
    }
    for (const { point, place, px, py } of shown) {
      const isSelected = place === this.#selected;
      const mark = svg('g', {
        class: `mark ${point.mode}${isSelected ? ' selected' : ''}`,
        role: 'button',
        tabindex: 0,
        'aria-pressed': String(isSelected),
        'aria-label': figuresOf(point),
        'data-mark': `${index}-${place}`,
      });
      mark.append(svg('title', {}, figuresOf(point)), markShape(point.mode, x.at(px), y.at(py)));
      mark.addEventListener('click', () => this.#select(place));
      mark.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        this.#select(place);
      });
      picture.append(mark);
    }
    return picture;
  }
}

function legendEntry(mode: Mode): HTMLElement {
  const sample = svg('svg', { width: 16, height: 16, viewBox: '0 0 16 16', 'aria-hidden': 'true' });
  const mark = svg('g', { class: `mark ${mode}` });
  mark.append(markShape(mode, 8, 8));
  sample.append(mark);
  return element('span', { class: 'trade-off-way' }, sample, MODE_NAMES[mode]());
}

/** One network in words: `repaired, 50%: 20.44 M MACs, 3.10 ms, top-1 71.9 %, agrees on 78.0 %`. */
function figuresOf({ mode, target, macs, latency, top1, images, agreement }: TradeOffPoint): string {
  const name = mode === 'dense' ? MODE_NAMES.dense() : `${MODE_NAMES[mode]()}, ${target}`;
  const figures = [
    `${formatMacs(macs)} ${COST_UNIT}`,
    `${latency.toFixed(2)} ms`,
    ...(top1 === undefined ? [] : [t('top-1 {0} of {1} images', formatPercent(top1, 1), images ?? '')]),
    ...(agreement === undefined ? [] : [t('same class as the dense model on {0}', formatPercent(agreement, 1))]),
  ];
  return `${name}: ${figures.join(', ')}`;
}
