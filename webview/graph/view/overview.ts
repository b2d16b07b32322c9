/** The whole network, small, in a corner: boxes, and the part that is on screen; a click or a drag goes there. */
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { scopeLook, type Theme } from '../draw/theme.ts';
import { valueScope } from '../model/group-lookup.ts';
import type { Store } from '../model/store.ts';
import type { Viewport } from './viewport.ts';

const SIZE = { width: 120, height: 180 };
const LEAST = 24;
/** It is shown when less than this share of the network is on screen. */
const SHOWN_BELOW = 0.8;

export class Overview {
  readonly root: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #store: Store;
  readonly #viewport: Viewport;
  #theme: Theme;
  #queued = false;
  #scale = 0;

  constructor(store: Store, viewport: Viewport, theme: Theme) {
    this.#store = store;
    this.#viewport = viewport;
    this.#theme = theme;
    this.#canvas = element('canvas', { 'aria-hidden': 'true', title: t('The whole network: click to go there') });
    this.root = element('div', { class: 'overview', hidden: true }, this.#canvas);
    store.on(['layout', 'model', 'figures', 'selection', 'look'], () => this.#later());
    viewport.onChange(() => this.#later());
    this.#canvas.addEventListener('pointerdown', (event) => {
      this.#canvas.setPointerCapture(event.pointerId);
      this.#go(event);
    });
    this.#canvas.addEventListener('pointermove', (event) => {
      if (event.buttons === 1 && this.#canvas.hasPointerCapture(event.pointerId)) this.#go(event);
    });
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    this.#later();
  }

  /** Puts the place under the pointer into the middle of the pane. */
  #go(event: PointerEvent): void {
    if (!this.#scale) return;
    const { left, top } = this.#canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / this.#scale, (event.clientY - top) / this.#scale];
    const { zoom } = this.#viewport.place;
    this.#viewport.set({ x: this.#viewport.width / 2 - x * zoom, y: this.#viewport.height / 2 - y * zoom, zoom });
  }

  #later(): void {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      this.#draw();
    });
  }

  #draw(): void {
    const { layout, mode } = this.#store;
    const { left, top, right, bottom } = this.#viewport.area();
    const seen = layout
      ? (Math.min(right, layout.width) - Math.max(left, 0)) * (Math.min(bottom, layout.height) - Math.max(top, 0))
      : 0;
    const all = layout ? layout.width * layout.height : 0;
    const partly = Math.max(0, seen) < SHOWN_BELOW * all;
    this.root.hidden = !layout || !partly || mode === 'split' || this.#viewport.width < 3 * SIZE.width;
    if (this.root.hidden || !layout) return;
    this.#scale = Math.min(SIZE.width / layout.width, SIZE.height / layout.height);
    const width = Math.max(LEAST, layout.width * this.#scale);
    const height = layout.height * this.#scale;
    const ratio = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    this.#canvas.style.width = `${width}px`;
    this.#canvas.style.height = `${height}px`;
    const context = this.#canvas.getContext('2d');
    if (!context) return;
    context.setTransform(ratio * this.#scale, 0, 0, ratio * this.#scale, 0, 0);
    this.#boxes(context);
    context.strokeStyle = this.#theme.focus;
    context.lineWidth = 1.5 / this.#scale;
    context.strokeRect(left, top, right - left, bottom - top);
  }

  #boxes(context: CanvasRenderingContext2D): void {
    const { layout, tree, groups, highlight, selection } = this.#store;
    if (!layout || !tree) return;
    for (const { item, x, y, width, height, open } of layout.boxes) {
      const { node } = tree.items[item];
      const scope = node >= 0 && groups ? valueScope(groups, node) : -1;
      const lit = item === selection.item || (node >= 0 && highlight.members.has(node));
      context.globalAlpha = open ? 0.25 : lit ? 1 : 0.55;
      context.fillStyle = lit ? this.#theme.selection : open ? this.#theme.border : scopeLook(this.#theme, scope).color;
      context.fillRect(x, y, width, height);
    }
    context.globalAlpha = 1;
  }
}
