/** Surface that writes SVG text: the export, and what tests look at. */
import type { Route } from '../layout/types.ts';
import {
  type BoxStyle,
  type LineStyle,
  type Measure,
  type Surface,
  type TextStyle,
  traceRoute,
  truncator,
} from './surface.ts';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (sign) => ENTITIES[sign]);

const n = (value: number): string => String(Math.round(value * 100) / 100);

/** Where nothing can measure: the mean width of a sans-serif letter. */
export const roughMeasure: Measure = (text, size, bold) => text.length * size * (bold ? 0.58 : 0.54);

export class SvgSurface implements Surface {
  readonly #parts: string[] = [];
  readonly #fit: (text: string, style: TextStyle) => string;

  constructor(measure: Measure = roughMeasure) {
    this.#fit = truncator(measure);
  }

  #add(tag: string, attributes: Readonly<Record<string, string | number | undefined>>, text = ''): void {
    const written = Object.entries(attributes)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ` ${name}="${escapeXml(typeof value === 'number' ? n(value) : (value as string))}"`);
    this.#parts.push(text ? `<${tag}${written.join('')}>${escapeXml(text)}</${tag}>` : `<${tag}${written.join('')}/>`);
  }

  box(x: number, y: number, width: number, height: number, style: BoxStyle): void {
    this.#add('rect', {
      x,
      y,
      width,
      height,
      rx: style.radius,
      fill: style.fill ?? 'none',
      'fill-opacity': style.fillAlpha,
      stroke: style.stroke,
      'stroke-width': style.stroke ? (style.lineWidth ?? 1) : undefined,
      'stroke-dasharray': style.dash?.length ? style.dash.join(' ') : undefined,
      opacity: style.alpha,
    });
  }

  ribbon(route: Route, style: LineStyle): void {
    const path: string[] = [];
    traceRoute(
      route,
      (x, y) => path.push(`M${n(x)} ${n(y)}`),
      (x, y) => path.push(`L${n(x)} ${n(y)}`),
      (x1, y1, x2, y2, x, y) => path.push(`C${n(x1)} ${n(y1)} ${n(x2)} ${n(y2)} ${n(x)} ${n(y)}`),
    );
    this.#path(path.join(''), style);
  }

  line(points: readonly number[], style: LineStyle): void {
    const path = points.map((value, i) => (i % 2 ? n(value) : `${i ? 'L' : 'M'}${n(value)} `));
    this.#path(path.join(''), style);
  }

  #path(d: string, style: LineStyle): void {
    this.#add('path', {
      d,
      fill: 'none',
      stroke: style.stroke,
      'stroke-width': style.lineWidth,
      'stroke-dasharray': style.dash?.length ? style.dash.join(' ') : undefined,
      opacity: style.alpha,
    });
  }

  triangle(points: readonly [number, number, number, number, number, number], fill: string, alpha?: number): void {
    this.#add('polygon', { points: points.map(n).join(' '), fill, opacity: alpha });
  }

  text(x: number, y: number, text: string, style: TextStyle): void {
    const shown = this.#fit(text, style);
    if (!shown) return;
    const anchors = { left: undefined, center: 'middle', right: 'end' } as const;
    this.#add(
      'text',
      {
        x,
        y,
        fill: style.fill,
        'font-size': style.size,
        'font-weight': style.bold ? 600 : undefined,
        'text-anchor': anchors[style.align ?? 'left'],
        'dominant-baseline': 'central',
        opacity: style.alpha,
      },
      shown,
    );
  }

  /** The whole drawing as a document of its own. */
  document(width: number, height: number, background: string, fontFamily: string, title: string): string {
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${n(width)}" height="${n(height)}" viewBox="0 0 ${n(width)} ${n(height)}" font-family="${escapeXml(fontFamily)}">`,
      `<title>${escapeXml(title)}</title>`,
      `<rect width="100%" height="100%" fill="${escapeXml(background)}"/>`,
      ...this.#parts,
      '</svg>',
    ].join('\n');
  }
}
