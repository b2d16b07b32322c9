/** All that one picture of the model is made from. */
import type { Layout, PlacedEdge } from '../layout/types.ts';
import type { Overlay } from '../model/figures.ts';
import type { Highlight, Selection } from '../model/selection.ts';
import type { Tint } from '../model/store.ts';
import type { Tree } from '../model/tree.ts';
import type { Theme } from './theme.ts';

export interface Picture {
  readonly tree: Tree;
  readonly layout: Layout;
  readonly overlay: Overlay;
  readonly highlight: Highlight;
  readonly badges: ReadonlyMap<number, number>;
  readonly selection: Selection;
  /** Item that has the keyboard; −1 for none. */
  readonly focus: number;
  /** Item under the pointer. */
  readonly hover: number;
  /** The dense network with what the plan removes faded, or what is left of it. */
  readonly mode: 'dense' | 'pruned';
  readonly theme: Theme;
  readonly tint: Tint;
}

/** Part of the picture that is on screen, in its own coordinates. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Extent of an edge's route, for leaving out what is not on screen. */
export function edgeArea(edge: PlacedEdge): Area {
  let [left, top, right, bottom] = [
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ];
  const { route } = edge;
  for (let run = 0; run < route.length; run += 3) {
    left = Math.min(left, route[run]);
    right = Math.max(right, route[run]);
    top = Math.min(top, route[run + 1], route[run + 2]);
    bottom = Math.max(bottom, route[run + 1], route[run + 2]);
  }
  return { left: left - 10, top, right: right + 10, bottom };
}

/** Thickness of a ribbon in pixels: grows with the logarithm of its channels. */
export function thickness(channels: number): number {
  if (channels <= 0) return 1.5;
  return Math.min(17, Math.max(2, 1.55 * Math.log2(channels + 1)));
}

/** How much of the ribbon stays: thickness of the kept share, so that losing half the channels shows as half a ribbon. */
export function keptThickness(channels: number, kept: number): number {
  if (channels <= 0) return thickness(channels);
  if (kept <= 0) return 0;
  return Math.max(1, (thickness(channels) * kept) / channels);
}

/** `256`, or `256 → 198` where the plan changes it. */
export function widthText(width: number, kept: number, mode: Picture['mode']): string {
  if (width <= 0) return '';
  if (kept === width) return String(width);
  return mode === 'pruned' ? String(kept) : `${width} → ${kept}`;
}
