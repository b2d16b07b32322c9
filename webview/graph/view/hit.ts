/** What lies under a point of the picture. */
import { nameStart } from '../draw/boxes.ts';
import { thickness } from '../draw/picture.ts';
import { type Layout, type PlacedBox, SIZES } from '../layout/types.ts';
import type { Overlay } from '../model/figures.ts';

export interface Hit {
  readonly kind: 'box' | 'arrow' | 'ribbon';
  readonly box?: PlacedBox;
  /** Node whose value the ribbon carries. */
  readonly value?: number;
}

const inside = (box: PlacedBox, x: number, y: number): boolean =>
  x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + (box.open ? SIZES.header : box.height);

/** Width of the area of a module's box that opens and closes it. */
const ARROW_WIDTH = 24;

/** The topmost box whose body or name line is there; else the ribbon; else undefined. */
export function hitTest(
  layout: Layout,
  overlay: Overlay,
  x: number,
  y: number,
  isModule: (item: number) => boolean,
  screenLeft = Number.NEGATIVE_INFINITY,
): Hit | undefined {
  for (let i = layout.boxes.length - 1; i >= 0; i--) {
    const box = layout.boxes[i];
    if (!inside(box, x, y)) continue;
    const start = box.open ? nameStart(box, screenLeft) : box.x;
    const onArrow = isModule(box.item) && x >= start && x < start + ARROW_WIDTH;
    return { kind: onArrow ? 'arrow' : 'box', box };
  }
  for (const { route, value } of layout.edges) {
    const half = thickness(overlay.widths[value]) / 2 + 2;
    for (let run = 0; run < route.length; run += 3) {
      const [lineX, from, to] = [route[run], route[run + 1], route[run + 2]];
      if (Math.abs(x - lineX) <= half && y >= Math.min(from, to) && y <= Math.max(from, to))
        return { kind: 'ribbon', value };
      if (run === 0) continue;
      const [beforeX, beforeY] = [route[run - 3], route[run - 1]];
      const level = (beforeY + from) / 2;
      if (Math.abs(y - level) <= half && x >= Math.min(beforeX, lineX) && x <= Math.max(beforeX, lineX))
        return { kind: 'ribbon', value };
    }
  }
  return undefined;
}
