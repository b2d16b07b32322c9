/** Crosshair and zoom of the charts, by pointer and by keys. */
import type { Scale } from '../shared/axis.ts';
import { svg } from '../shared/dom.ts';
import { HEIGHT, MARGIN } from './chart-axes.ts';
import { moved, type SharedView, zoomed } from './chart-view.ts';
import { nearest, type Point } from './points.ts';

export interface Plot {
  readonly picture: SVGSVGElement;
  /** Epochs to pixels, as drawn last. */
  readonly scale: () => Scale;
  /** Where the axis ends when nothing is zoomed. */
  readonly end: () => number;
  /** Where the crosshair may stop. */
  readonly stops: () => readonly Point[];
}

/** A drag shorter than this many pixels is a click. */
const SHORTEST_DRAG = 5;
const KEY_ZOOM = 1.5;
const WHEEL_ZOOM = 1.15;

/** Moving reads values; dragging zooms to the stretch; Ctrl and the wheel zoom about the pointer; a double click shows everything. */
export function followPointer({ picture, scale, end, stops }: Plot, view: SharedView): void {
  const band = svg('rect', { class: 'zoom-band', y: MARGIN.top, height: HEIGHT - MARGIN.top - MARGIN.bottom });
  let from: number | undefined;
  const pixel = (event: MouseEvent): number => event.clientX - picture.getBoundingClientRect().left;
  const inside = (x: number): number => Math.min(Math.max(x, scale().min), scale().max);
  picture.addEventListener('pointermove', (event) => {
    const at = inside(scale().invert(pixel(event)));
    view.point(nearest(stops(), at)?.[0] ?? at);
    if (from === undefined) return;
    const [left, right] = [scale().at(from), scale().at(at)].sort((a, b) => a - b);
    band.setAttribute('x', String(left));
    band.setAttribute('width', String(right - left));
    picture.append(band);
  });
  picture.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    from = inside(scale().invert(pixel(event)));
    picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener('pointerup', (event) => {
    if (from === undefined) return;
    const [left, right] = [from, inside(scale().invert(pixel(event)))].sort((a, b) => a - b);
    from = undefined;
    band.remove();
    if (scale().at(right) - scale().at(left) >= SHORTEST_DRAG) view.change({ range: [left, right] });
  });
  picture.addEventListener('pointercancel', () => {
    from = undefined;
    band.remove();
  });
  picture.addEventListener('dblclick', () => view.change({ range: undefined }));
  picture.addEventListener('pointerleave', () => view.point(undefined));
  picture.addEventListener(
    'wheel',
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const about = inside(scale().invert(pixel(event)));
      const factor = event.deltaY < 0 ? WHEEL_ZOOM : 1 / WHEEL_ZOOM;
      view.change({ range: zoomed(view.value.range, end(), about, factor) });
    },
    { passive: false },
  );
}

/** Arrows move the crosshair from point to point (with Shift, the stretch shown), + and - zoom, 0 shows everything. */
export function followKeys({ picture, end, stops }: Plot, view: SharedView): void {
  const step = (by: 1 | -1): void => {
    const points = stops();
    if (points.length === 0) return;
    const { cursor } = view;
    const next =
      cursor === undefined
        ? points.at(by > 0 ? 0 : -1)
        : by > 0
          ? points.find(([x]) => x > cursor + 1e-9)
          : points.findLast(([x]) => x < cursor - 1e-9);
    if (next) view.point(next[0]);
  };
  const zoom = (factor: number): void => {
    const [from, to] = view.value.range ?? [0, end()];
    view.change({ range: zoomed(view.value.range, end(), view.cursor ?? (from + to) / 2, factor) });
  };
  const keys: Readonly<Record<string, (event: KeyboardEvent) => void>> = {
    ArrowRight: ({ shiftKey }) => (shiftKey ? view.change({ range: moved(view.value.range, end(), 0.2) }) : step(1)),
    ArrowLeft: ({ shiftKey }) => (shiftKey ? view.change({ range: moved(view.value.range, end(), -0.2) }) : step(-1)),
    '+': () => zoom(KEY_ZOOM),
    '=': () => zoom(KEY_ZOOM),
    '-': () => zoom(1 / KEY_ZOOM),
    '0': () => view.change({ range: undefined }),
    Escape: () => view.point(undefined),
  };
  picture.addEventListener('keydown', (event) => {
    if (!Object.hasOwn(keys, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    keys[event.key](event);
    event.preventDefault();
  });
  picture.addEventListener('blur', () => view.point(undefined));
}
