/** One canvas with a model on it: draws when something changed, and tells what the pointer does. */

import { element } from '../../shared/dom.ts';
import { CanvasSurface } from '../draw/canvas-surface.ts';
import { drawPicture } from '../draw/scene.ts';
import type { Theme } from '../draw/theme.ts';
import type { Layout } from '../layout/types.ts';
import type { Scene, Store } from '../model/store.ts';
import { type Hit, hitTest } from './hit.ts';
import { pictureOf } from './picture-of.ts';
import { shouldTween, TWEEN_MS, tweened } from './tween.ts';
import type { Viewport } from './viewport.ts';

export interface PaneEvents {
  select(item: number, scope: boolean): void;
  toggle(item: number, alike: boolean): void;
  clear(): void;
  hover(hit: Hit | undefined, scene: Scene, x: number, y: number): void;
}

const DRAG_THRESHOLD = 4;
const WHEEL_ZOOM = 0.0022;

export class Pane {
  readonly root: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #surface: CanvasSurface;
  readonly #store: Store;
  readonly #viewport: Viewport;
  readonly #which: 'dense' | 'pruned';
  readonly #events: PaneEvents;
  #theme: Theme;
  #queued = false;
  #ratio = 1;
  #tween: { from: Layout; started: number } | null = null;
  #lastLayout: Layout | null = null;
  /** Milliseconds that the last drawing took: for measurements. */
  lastDraw = 0;

  constructor(which: 'dense' | 'pruned', store: Store, viewport: Viewport, theme: Theme, events: PaneEvents) {
    this.#which = which;
    this.#store = store;
    this.#viewport = viewport;
    this.#theme = theme;
    this.#events = events;
    this.#canvas = element('canvas', { 'aria-hidden': 'true' });
    this.root = element('div', { class: `pane pane-${which}` }, this.#canvas);
    const context = this.#canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('no 2D canvas');
    this.#surface = new CanvasSurface(context, theme.fontFamily);
    new ResizeObserver(() => this.#resize()).observe(this.root);
    this.#listen();
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    this.invalidate();
  }

  /** Draws with the next frame. */
  invalidate(): void {
    if (this.#queued || !this.root.isConnected || this.root.hidden) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      this.#draw();
    });
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.root;
    if (!clientWidth || !clientHeight) return;
    this.#ratio = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(clientWidth * this.#ratio);
    this.#canvas.height = Math.round(clientHeight * this.#ratio);
    if (clientWidth !== this.#viewport.width || clientHeight !== this.#viewport.height)
      this.#viewport.resize(clientWidth, clientHeight);
    this.#surface.reset();
    this.#draw();
  }

  #draw(): void {
    const started = performance.now();
    const { context } = this.#surface;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = this.#theme.background;
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    const scene = this.#store.scene(this.#which);
    if (!scene) return;
    const layout = this.#currentLayout(scene);
    const { x, y, zoom } = this.#viewport.place;
    context.setTransform(zoom * this.#ratio, 0, 0, zoom * this.#ratio, x * this.#ratio, y * this.#ratio);
    const picture = { ...pictureOf(this.#store, scene, this.#theme), layout };
    drawPicture(this.#surface, picture, this.#viewport.area(), zoom);
    this.lastDraw = performance.now() - started;
  }

  /** The layout, or one on the way to it. */
  #currentLayout(scene: Scene): Layout {
    const last = this.#lastLayout;
    if (last !== scene.layout) {
      if (last?.boxes.length && shouldTween(last, scene.layout))
        this.#tween = { from: last, started: performance.now() };
      this.#lastLayout = scene.layout;
    }
    if (!this.#tween) return scene.layout;
    const t = (performance.now() - this.#tween.started) / TWEEN_MS;
    if (t >= 1) {
      this.#tween = null;
      return scene.layout;
    }
    this.invalidate();
    return tweened(scene.tree, this.#tween.from, scene.layout, t);
  }

  /** Another model: nothing to glide from. */
  forget(): void {
    this.#lastLayout = null;
    this.#tween = null;
  }

  #hit(event: MouseEvent): { hit: Hit | undefined; scene: Scene } | undefined {
    const scene = this.#store.scene(this.#which);
    if (!scene) return undefined;
    const bounds = this.#canvas.getBoundingClientRect();
    const { x, y } = this.#viewport.toWorld(event.clientX - bounds.left, event.clientY - bounds.top);
    const isModule = (item: number): boolean => scene.tree.items[item].children.length > 0;
    const hit = hitTest(scene.layout, scene.overlay, x, y, isModule, this.#viewport.area().left);
    return { hit, scene };
  }

  /** The dense tree's item for a hit in either tree. */
  #ownItem(scene: Scene, item: number): number {
    if (scene.tree === this.#store.tree) return item;
    return this.#store.tree?.byKey.get(scene.tree.items[item].key) ?? -1;
  }

  #listen(): void {
    const canvas = this.#canvas;
    let down: { x: number; y: number; moved: boolean } | null = null;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 && event.button !== 1) return;
      down = { x: event.clientX, y: event.clientY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!down) {
        const found = this.#hit(event);
        if (!found) return;
        canvas.classList.toggle('over', found.hit !== undefined && found.hit.kind !== 'ribbon');
        this.#store.setHover(found.hit?.box ? this.#ownItem(found.scene, found.hit.box.item) : -1);
        this.#events.hover(found.hit, found.scene, event.clientX, event.clientY);
        return;
      }
      const [dx, dy] = [event.clientX - down.x, event.clientY - down.y];
      if (!down.moved && Math.hypot(dx, dy) < DRAG_THRESHOLD) return;
      down = { x: event.clientX, y: event.clientY, moved: true };
      canvas.classList.add('dragging');
      this.#viewport.pan(dx, dy);
    });
    const release = (event: PointerEvent): void => {
      const clicked = down && !down.moved && event.type === 'pointerup' && event.button === 0;
      down = null;
      canvas.classList.remove('dragging');
      if (clicked) this.#click(event);
    };
    canvas.addEventListener('pointerup', release);
    canvas.addEventListener('pointercancel', release);
    canvas.addEventListener('pointerleave', () => {
      this.#store.setHover(-1);
      const scene = this.#store.scene(this.#which);
      if (scene) this.#events.hover(undefined, scene, 0, 0);
    });
    canvas.addEventListener('dblclick', (event) => {
      const found = this.#hit(event);
      if (found?.hit?.kind === 'box' && found.hit.box)
        this.#events.toggle(this.#ownItem(found.scene, found.hit.box.item), event.shiftKey);
    });
    canvas.addEventListener('contextmenu', (event) => {
      const found = this.#hit(event);
      if (found?.hit?.box) this.#events.select(this.#ownItem(found.scene, found.hit.box.item), false);
    });
    canvas.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
  }

  #click(event: PointerEvent): void {
    const found = this.#hit(event);
    if (!found?.hit) {
      this.#events.clear();
      return;
    }
    const { hit, scene } = found;
    if (hit.kind === 'arrow' && hit.box) {
      this.#events.toggle(this.#ownItem(scene, hit.box.item), event.shiftKey);
      return;
    }
    const item = hit.box ? hit.box.item : scene.tree.itemOfNode[hit.value as number];
    this.#events.select(this.#ownItem(scene, item), event.altKey);
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 18 : 1;
    if (event.ctrlKey || event.metaKey) {
      const bounds = this.#canvas.getBoundingClientRect();
      const factor = Math.exp(-event.deltaY * unit * WHEEL_ZOOM);
      this.#viewport.zoomAt(factor, event.clientX - bounds.left, event.clientY - bounds.top);
    } else if (event.shiftKey && !event.deltaX) this.#viewport.pan(-event.deltaY * unit, 0);
    else this.#viewport.pan(-event.deltaX * unit, -event.deltaY * unit);
  }
}
