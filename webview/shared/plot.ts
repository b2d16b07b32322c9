/** A plot of shares over an amount: its scales, and the grid with the numbers and titles of both axes. */
import { linearScale, niceRange, type Scale, ticks } from './axis.ts';
import { svg } from './dom.ts';

export interface PlotArea {
  readonly width: number;
  readonly height: number;
  readonly margin: { readonly top: number; readonly right: number; readonly bottom: number; readonly left: number };
}

export interface PlotAxis {
  readonly title: string;
  readonly format: (value: number) => string;
}

export interface PlotScales {
  /** Amounts from 0. */
  readonly x: Scale;
  /** Shares, 0 to 1 at most. */
  readonly y: Scale;
}

/** Scales that show all the points. */
export function plotScales(
  { width, height, margin }: PlotArea,
  amounts: readonly number[],
  shares: readonly number[],
): PlotScales {
  const [low, high] = niceRange(shares);
  const [, most] = niceRange(amounts, [0]);
  return {
    x: linearScale(0, most, margin.left, width - margin.right),
    y: linearScale(Math.max(0, low), Math.min(1, high), height - margin.bottom, margin.top),
  };
}

/** Grid, numbers and titles of both axes. */
export const plotGrid = (
  { width, height, margin }: PlotArea,
  { x, y }: PlotScales,
  horizontal: PlotAxis,
  vertical: PlotAxis,
): readonly SVGElement[] => [
  ...ticks(y.min, y.max, 5).flatMap((value) => [
    svg('line', { class: 'grid', x1: margin.left, x2: width - margin.right, y1: y.at(value), y2: y.at(value) }),
    svg('text', { class: 'tick end', x: margin.left - 8, y: y.at(value) + 4 }, vertical.format(value)),
  ]),
  ...ticks(0, x.max, Math.min(6, Math.floor(width / 90))).map((value) =>
    svg(
      'text',
      { class: 'tick middle', x: x.at(value), y: height - margin.bottom + 16 },
      value ? horizontal.format(value) : '0',
    ),
  ),
  svg('text', { class: 'tick middle', x: (margin.left + width) / 2, y: height - 6 }, horizontal.title),
  svg('text', { class: 'tick', x: 4, y: 11 }, vertical.title),
];
