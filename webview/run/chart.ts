/** A line chart in SVG: axes, series, a reference line, the best point; crosshair and zoom are shared with the other charts. */
import { linearScale, logRange, logScale, niceRange, type Scale } from '../shared/axis.ts';
import { element, setText, svg } from '../shared/dom.ts';
import { t } from '../shared/l10n.ts';
import { axes, bestPoint, HEIGHT, MARGIN, type Marked, referenceLine } from './chart-axes.ts';
import { followKeys, followPointer } from './chart-gestures.ts';
import type { SharedView } from './chart-view.ts';
import { nearest, type Point, thin, within } from './points.ts';

export interface Series {
  readonly label: string;
  /** Class that gives it its colour and pattern: `series-0` is this run, others are compared ones. */
  readonly style: string;
  /** Thin and pale: single steps behind the means of epochs. */
  readonly faint?: boolean;
  /** Dots on the points: epochs, of which there may be only one. */
  readonly dots?: boolean;
  /** Of another run. */
  readonly compared?: boolean;
  /** x ascending. */
  readonly points: readonly Point[];
}

export interface ChartOptions {
  readonly title: string;
  readonly format: (value: number) => string;
  /** Values that the axis always shows. */
  readonly include?: readonly number[];
  /** It can be drawn on a logarithmic axis. */
  readonly canBeLogarithmic?: boolean;
  /** Names its lines below the title. */
  readonly legend?: boolean;
}

export interface Drawing {
  readonly series: readonly Series[];
  /** Where the axis ends when the run is not there yet. */
  readonly xMax: number;
  readonly reference?: Marked;
  readonly best?: Marked;
}

interface Chart {
  readonly root: HTMLElement;
  /** Draws anew. */
  draw(drawing: Drawing): void;
}

const path = (points: readonly Point[], x: Scale, y: Scale): string =>
  points.map(([px, py], i) => `${i ? 'L' : 'M'}${x.at(px).toFixed(1)} ${y.at(py).toFixed(1)}`).join('');

let charts = 0;

export class LineChart implements Chart {
  readonly root: HTMLElement;
  private readonly picture: SVGSVGElement;
  private readonly reading = element('div', { class: 'reading muted', 'aria-live': 'polite' });
  private readonly names = element('div', { class: 'legend chart-legend' });
  private readonly marker = svg('line', { class: 'marker' });
  private readonly clip = `plot-${charts++}`;
  private drawing: Drawing | undefined;
  private shown: readonly Series[] = [];
  private x: Scale = linearScale(0, 1, 0, 1);

  constructor(
    private readonly options: ChartOptions,
    private readonly view: SharedView,
  ) {
    this.picture = svg('svg', {
      class: 'chart',
      height: HEIGHT,
      role: 'img',
      tabindex: 0,
      'aria-label': options.title,
      'aria-keyshortcuts': 'ArrowLeft ArrowRight + - 0',
    });
    const heading = element('div', { class: 'chart-title' }, element('h2', {}, options.title), this.reading);
    this.root = element('section', { class: 'chart-box' }, heading, this.names, this.picture);
    this.names.hidden = true;
    const plot = {
      picture: this.picture,
      scale: () => this.x,
      end: () => this.end,
      stops: () => this.shown.find(({ points }) => points.length)?.points ?? [],
    };
    followPointer(plot, view);
    followKeys(plot, view);
    view.onChange(() => this.redraw());
    view.onCursor((cursor) => this.showCursor(cursor));
    new ResizeObserver(() => this.redraw()).observe(this.root);
  }

  draw(drawing: Drawing): void {
    this.drawing = drawing;
    this.redraw();
  }

  /** Where the axis ends when nothing is zoomed. */
  private get end(): number {
    const last = this.drawing?.series.map(({ points }) => points.at(-1)?.[0] ?? 0) ?? [];
    return Math.max(this.drawing?.xMax ?? 0, ...last, 1e-9);
  }

  private redraw(): void {
    if (!this.drawing) return;
    const { reference, best } = this.drawing;
    const width = Math.max(120, this.root.clientWidth);
    const range = this.view.value.range ?? [0, this.end];
    this.x = linearScale(range[0], range[1], MARGIN.left, width - MARGIN.right);
    const logarithmic = this.view.value.logarithmic && this.options.canBeLogarithmic === true;
    this.shown = this.drawing.series.map((one) => ({ ...one, points: within(one.points, range) }));
    const y = this.valueScale(logarithmic);
    this.picture.setAttribute('width', String(width));
    this.picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    this.picture.setAttribute('aria-label', describe(this.options, this.drawing));
    this.picture.replaceChildren(
      this.clipPath(width),
      ...axes(this.x, y, width, this.options.format, logarithmic),
      ...(reference && y.at(reference.value) >= MARGIN.top ? referenceLine(reference, y, width) : []),
      this.lines(y, logarithmic),
      ...(best ? bestPoint(best, this.x, y, reference) : []),
      this.marker,
    );
    this.showNames();
    this.showCursor(this.view.cursor);
  }

  private valueScale(logarithmic: boolean): Scale {
    const values = this.shown.flatMap(({ points }) => points.map(([, value]) => value));
    const { reference } = this.drawing as Drawing;
    const [bottom, top] = [HEIGHT - MARGIN.bottom, MARGIN.top];
    if (logarithmic) return logScale(...logRange(values), bottom, top);
    return linearScale(
      ...niceRange(values, [...(this.options.include ?? []), ...(reference ? [reference.value] : [])]),
      bottom,
      top,
    );
  }

  private clipPath(width: number): SVGElement {
    const plot = {
      x: MARGIN.left,
      y: MARGIN.top - 4,
      width: Math.max(0, width - MARGIN.left - MARGIN.right + 4),
      height: HEIGHT - MARGIN.top - MARGIN.bottom + 8,
    };
    return svg('clipPath', { id: this.clip }, svg('rect', plot));
  }

  private lines(y: Scale, logarithmic: boolean): SVGElement {
    const group = svg('g', { 'clip-path': `url(#${this.clip})` });
    for (const one of this.shown) {
      const points = thin(logarithmic ? one.points.filter(([, value]) => value > 0) : one.points, this.x);
      group.append(svg('path', { class: `line ${one.style}${one.faint ? ' faint' : ''}`, d: path(points, this.x, y) }));
      if (!one.dots) continue;
      for (const [px, py] of points)
        group.append(svg('circle', { class: `dot ${one.style}`, cx: this.x.at(px), cy: y.at(py), r: 2.5 }));
    }
    return group;
  }

  private showNames(): void {
    // Compared runs are named above all charts.
    const own = this.shown.filter(({ points, compared }) => points.length > 0 && !compared);
    const named = this.options.legend ? own : [];
    this.names.hidden = named.length < 2;
    this.names.replaceChildren(...named.map(({ style, label, faint }) => legendEntry(style, label, faint)));
  }

  private showCursor(cursor: number | undefined): void {
    const found = this.shown.flatMap((one) => {
      const point = cursor === undefined ? undefined : nearest(one.points, cursor);
      return point ? [{ one, point }] : [];
    });
    const seen = cursor !== undefined && found.length > 0 && cursor >= this.x.min && cursor <= this.x.max;
    this.marker.setAttribute('visibility', seen ? 'visible' : 'hidden');
    if (!seen) {
      this.reading.textContent = '';
      return;
    }
    const px = this.x.at(cursor);
    for (const [name, value] of Object.entries({ x1: px, x2: px, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }))
      this.marker.setAttribute(name, String(value));
    const place = t('epoch {0}', Number(cursor.toFixed(2)));
    const values = found.map(({ one, point }) => `${one.label} ${this.options.format(point[1])}`);
    setText(this.reading, [place, ...values].join(' · '));
  }
}

/** A line's name beside a sample of it. */
export const legendEntry = (style: string, label: string, faint = false): HTMLElement =>
  element(
    'span',
    { class: 'legend-entry' },
    element('span', { class: `swatch ${style}${faint ? ' faint' : ''}` }),
    label,
  );

/** What the picture shows, for those who do not see it; the table below it has the figures. */
function describe({ title, format }: ChartOptions, { series, reference, best }: Drawing): string {
  const parts = series
    .filter(({ points }) => points.length)
    .map(({ label, points }) => `${label}: from ${format(points[0][1])} to ${format(points[points.length - 1][1])}`);
  const marked = [reference && `${reference.label}: ${format(reference.value)}`, best?.label].filter((text) => text);
  return [title, ...parts, ...marked].join('. ');
}
