/** What the picture is drawn on: a canvas for the screen and PNG, SVG text for export and tests. */
import { visibleLine } from '../../../src/common/visible.ts';
import type { Route } from '../layout/types.ts';

export interface BoxStyle {
  readonly fill?: string;
  readonly fillAlpha?: number;
  readonly stroke?: string;
  readonly lineWidth?: number;
  readonly dash?: readonly number[];
  readonly radius?: number;
  readonly alpha?: number;
}

export interface LineStyle {
  readonly stroke: string;
  readonly lineWidth: number;
  readonly alpha?: number;
  readonly dash?: readonly number[];
}

export interface TextStyle {
  readonly fill: string;
  readonly size: number;
  readonly bold?: boolean;
  readonly align?: 'left' | 'right' | 'center';
  readonly alpha?: number;
  /** Longer text ends in an ellipsis. */
  readonly maxWidth?: number;
}

export interface Surface {
  box(x: number, y: number, width: number, height: number, style: BoxStyle): void;
  /** A ribbon along a route. */
  ribbon(route: Route, style: LineStyle): void;
  line(points: readonly number[], style: LineStyle): void;
  triangle(points: readonly [number, number, number, number, number, number], fill: string, alpha?: number): void;
  /** `y` is the text's middle. */
  text(x: number, y: number, text: string, style: TextStyle): void;
}

/** Width of a text in pixels at a size. */
export type Measure = (text: string, size: number, bold: boolean) => number;

/** Cuts a text so that it fits, with an ellipsis; remembers what it cut. */
export function truncator(measure: Measure): (text: string, style: TextStyle) => string {
  const cache = new Map<string, string>();
  return (given, { maxWidth, size, bold = false }) => {
    const text = visibleLine(given);
    if (maxWidth === undefined) return text;
    const key = `${size} ${bold} ${Math.round(maxWidth)} ${text}`;
    const known = cache.get(key);
    if (known !== undefined) return known;
    let cut = text;
    if (measure(text, size, bold) > maxWidth) {
      let [low, high] = [0, text.length];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if (measure(`${text.slice(0, middle)}…`, size, bold) <= maxWidth) low = middle;
        else high = middle - 1;
      }
      cut = low > 0 ? `${text.slice(0, low)}…` : '';
    }
    if (cache.size > 5000) cache.clear();
    cache.set(key, cut);
    return cut;
  };
}

/** Radius of the corners where a ribbon turns. */
const CORNER = 13;

/** Visits a route as moves, lines and curves, which both surfaces draw: runs are joined by a level piece with round corners. */
export function traceRoute(
  route: Route,
  move: (x: number, y: number) => void,
  line: (x: number, y: number) => void,
  curve: (x1: number, y1: number, x2: number, y2: number, x: number, y: number) => void,
): void {
  for (let run = 0; run < route.length; run += 3) {
    const [x, from, to] = [route[run], route[run + 1], route[run + 2]];
    if (run === 0) move(x, from);
    else {
      const [beforeX, beforeY] = [route[run - 3], route[run - 1]];
      const middle = (beforeY + from) / 2;
      const radius = Math.min(CORNER, Math.abs(from - beforeY) / 2, Math.abs(x - beforeX) / 2);
      const [dx, dy] = [Math.sign(x - beforeX) * radius, Math.sign(from - beforeY) * radius];
      const k = 0.45;
      line(beforeX, middle - dy);
      curve(beforeX, middle - dy * k, beforeX + dx * (1 - k), middle, beforeX + dx, middle);
      line(x - dx, middle);
      curve(x - dx * (1 - k), middle, x, middle + dy * k, x, middle + dy);
      line(x, from);
    }
    if (to !== from) line(x, to);
  }
}
