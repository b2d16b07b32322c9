/** A line chart in SVG: axes, series, a reference line, and a reading under the pointer. */
import { linearScale, niceRange, type Scale, ticks } from '../shared/axis.ts';
import { element, svg } from '../shared/dom.ts';

export type Point = readonly [x: number, y: number];

export interface Series {
  readonly label: string;
  /** Class that gives it its colour and pattern: `series-0` is this run, others are compared ones. */
  readonly style: string;
  /** Thin and pale: single steps behind the means of epochs. */
  readonly faint?: boolean;
  /** Dots on the points: epochs, of which there may be only one. */
  readonly dots?: boolean;
  readonly points: readonly Point[];
}

export interface ChartOptions {
  readonly title: string;
  readonly format: (value: number) => string;
  /** Values that the axis always shows. */
  readonly include?: readonly number[];
}

export interface Chart {
  readonly root: HTMLElement;
  /** Draws anew; `xMax`: where the axis ends when the run is not there yet. */
  draw(series: readonly Series[], xMax: number, reference?: { readonly label: string; readonly value: number }): void;
}

const HEIGHT = 180;
const MARGIN = { top: 8, right: 12, bottom: 22, left: 52 };
/** Points closer than this many pixels are drawn as their mean. */
const PIXELS_PER_POINT = 1.5;

/** At most as many points as can be told apart: each stretch of the axis gives its mean. */
export function thin(points: readonly Point[], x: Scale): readonly Point[] {
  if (points.length < 3) return points;
  const kept: Point[] = [];
  let sumX = 0;
  let sumY = 0;
  let count = 0;
  let bin = Number.NaN;
  const flush = (): void => {
    if (count) kept.push([sumX / count, sumY / count]);
    sumX = sumY = count = 0;
  };
  for (const [px, py] of points) {
    const own = Math.floor(x.at(px) / PIXELS_PER_POINT);
    if (own !== bin) flush();
    bin = own;
    sumX += px;
    sumY += py;
    count++;
  }
  flush();
  return kept;
}

const path = (points: readonly Point[], x: Scale, y: Scale): string =>
  points.map(([px, py], i) => `${i ? 'L' : 'M'}${x.at(px).toFixed(1)} ${y.at(py).toFixed(1)}`).join('');

/** The point whose x is nearest. */
function nearest(points: readonly Point[], x: number): Point | undefined {
  let best: Point | undefined;
  for (const point of points) if (!best || Math.abs(point[0] - x) < Math.abs(best[0] - x)) best = point;
  return best;
}

export function lineChart(options: ChartOptions): Chart {
  const picture = svg('svg', { class: 'chart', height: HEIGHT, role: 'img', 'aria-label': options.title });
  const reading = element('div', { class: 'reading muted', 'aria-hidden': 'true' });
  const heading = element('div', { class: 'chart-title' }, element('h3', {}, options.title), reading);
  const root = element('section', { class: 'chart-box' }, heading, picture);
  let last: Parameters<Chart['draw']> | undefined;
  let scales: { readonly x: Scale; readonly y: Scale } | undefined;
  const marker = svg('line', { class: 'marker' });

  const draw: Chart['draw'] = (series, xMax, reference) => {
    last = [series, xMax, reference];
    const width = Math.max(120, root.clientWidth);
    const xs = series.flatMap(({ points }) => points.map(([x]) => x));
    const ys = series.flatMap(({ points }) => points.map(([, y]) => y));
    const [low, high] = niceRange(ys, [...(options.include ?? []), ...(reference ? [reference.value] : [])]);
    const x = linearScale(0, Math.max(xMax, ...xs, 1e-9), MARGIN.left, width - MARGIN.right);
    const y = linearScale(low, high, HEIGHT - MARGIN.bottom, MARGIN.top);
    scales = { x, y };
    picture.setAttribute('width', String(width));
    picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    picture.setAttribute('aria-label', describe(options, series, reference));
    picture.replaceChildren(...axes(x, y, width, options.format));
    if (reference) picture.append(...referenceLine(reference, y, width));
    for (const one of series) {
      const points = thin(one.points, x);
      picture.append(svg('path', { class: `line ${one.style}${one.faint ? ' faint' : ''}`, d: path(points, x, y) }));
      if (!one.dots) continue;
      for (const [px, py] of points)
        picture.append(svg('circle', { class: `dot ${one.style}`, cx: x.at(px), cy: y.at(py), r: 2.5 }));
    }
    picture.append(marker);
    marker.setAttribute('visibility', 'hidden');
  };

  picture.addEventListener('pointermove', (event) => {
    const own = last?.[0].filter(({ points }) => points.length) ?? [];
    if (!scales || !own.length) return;
    const at = scales.x.invert(event.clientX - picture.getBoundingClientRect().left);
    const found = own.flatMap((one) => {
      const point = nearest(one.points, at);
      return point ? [{ one, point }] : [];
    });
    const px = scales.x.at(found[0].point[0]);
    for (const [name, value] of Object.entries({ x1: px, x2: px, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }))
      marker.setAttribute(name, String(value));
    marker.setAttribute('visibility', 'visible');
    reading.textContent = found.map(({ one, point }) => `${one.label} ${options.format(point[1])}`).join(' · ');
  });
  picture.addEventListener('pointerleave', () => {
    marker.setAttribute('visibility', 'hidden');
    reading.textContent = '';
  });
  new ResizeObserver(() => {
    if (last) draw(...last);
  }).observe(root);
  return { root, draw };
}

function axes(x: Scale, y: Scale, width: number, format: (value: number) => string): SVGElement[] {
  const bottom = HEIGHT - MARGIN.bottom;
  const rows = ticks(y.min, y.max, 5).flatMap((value) => [
    svg('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y.at(value), y2: y.at(value) }),
    svg('text', { class: 'tick end', x: MARGIN.left - 6, y: y.at(value) + 4 }, format(value)),
  ]);
  const wholeEpochs = (value: number): boolean => x.max < 2 || Number.isInteger(value);
  const columns = ticks(x.min, x.max, Math.min(8, Math.floor(width / 70)))
    .filter(wholeEpochs)
    .map((value) => svg('text', { class: 'tick middle', x: x.at(value), y: bottom + 15 }, String(value)));
  return [
    ...rows,
    ...columns,
    svg('line', { class: 'axis', x1: MARGIN.left, x2: width - MARGIN.right, y1: bottom, y2: bottom }),
  ];
}

function referenceLine(
  { label, value }: { readonly label: string; readonly value: number },
  y: Scale,
  width: number,
): SVGElement[] {
  return [
    svg('line', { class: 'reference', x1: MARGIN.left, x2: width - MARGIN.right, y1: y.at(value), y2: y.at(value) }),
    svg('text', { class: 'tick end', x: width - MARGIN.right, y: y.at(value) - 4 }, label),
  ];
}

/** What the picture shows, for those who do not see it; the table below it has the figures. */
function describe(
  { title, format }: ChartOptions,
  series: readonly Series[],
  reference: { readonly label: string; readonly value: number } | undefined,
): string {
  const parts = series
    .filter(({ points }) => points.length)
    .map(({ label, points }) => `${label}: from ${format(points[0][1])} to ${format(points[points.length - 1][1])}`);
  return [title, ...parts, ...(reference ? [`${reference.label}: ${format(reference.value)}`] : [])].join('. ');
}
