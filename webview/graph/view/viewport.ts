/** Where the picture stands on screen: shared by both panes of the split view, so that they move in step. */
import type { Area } from '../draw/picture.ts';

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export const ZOOM_RANGE = { min: 0.01, max: 4 } as const;

/** A first look at a tall network starts at its top in a readable size instead of showing all of it too small. */
const READABLE_ZOOM = 0.85;

export class Viewport {
  #place: Place = { x: 0, y: 0, zoom: 1 };
  #listeners: (() => void)[] = [];
  /** Size of one pane in CSS pixels; 0 before it is known. */
  width = 0;
  height = 0;

  get place(): Place {
    return this.#place;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  set(place: Place): void {
    const zoom = Math.min(ZOOM_RANGE.max, Math.max(ZOOM_RANGE.min, place.zoom));
    this.#place = { x: place.x, y: place.y, zoom };
    for (const listener of this.#listeners) listener();
  }

  /** The panes have another size: what was in the middle from left to right stays there. */
  resize(width: number, height: number): void {
    const moved = this.width > 0 ? (width - this.width) / 2 : 0;
    this.width = width;
    this.height = height;
    if (moved) this.pan(moved, 0);
  }

  pan(dx: number, dy: number): void {
    const { x, y, zoom } = this.#place;
    this.set({ x: x + dx, y: y + dy, zoom });
  }

  /** Zooms by a factor; the point under (x, y) of the pane stays. */
  zoomAt(factor: number, x: number, y: number): void {
    const { zoom, ...from } = this.#place;
    const to = Math.min(ZOOM_RANGE.max, Math.max(ZOOM_RANGE.min, zoom * factor));
    this.set({ x: x - ((x - from.x) * to) / zoom, y: y - ((y - from.y) * to) / zoom, zoom: to });
  }

  /** Shows everything; `readable`: not smaller than text allows, from the top. */
  fit(width: number, height: number, readable = false): void {
    const whole = Math.min(this.width / width, this.height / height, 1);
    const zoom = readable ? Math.min(1, Math.max(whole, Math.min(READABLE_ZOOM, this.width / width))) : whole;
    this.set({
      x: (this.width - width * zoom) / 2,
      y: Math.max(0, (this.height - height * zoom) / 2),
      zoom,
    });
  }

  toWorld(x: number, y: number): { x: number; y: number } {
    const place = this.#place;
    return { x: (x - place.x) / place.zoom, y: (y - place.y) / place.zoom };
  }

  /** Part of the picture that one pane shows. */
  area(): Area {
    const start = this.toWorld(0, 0);
    const end = this.toWorld(this.width, this.height);
    return { left: start.x, top: start.y, right: end.x, bottom: end.y };
  }

  /** Moves as little as needed to bring a rectangle on screen, enlarging a picture too small to read. */
  reveal(box: { x: number; y: number; width: number; height: number }, margin = Math.min(110, this.height / 4)): void {
    let { x, y, zoom } = this.#place;
    if (zoom < 0.5) {
      this.set({ x: this.width / 2 - (box.x + box.width / 2), y: this.height / 3 - box.y, zoom: 1 });
      return;
    }
    const left = box.x * zoom + x;
    const top = box.y * zoom + y;
    const side = Math.min(40, this.width / 8);
    const width = Math.min(box.width * zoom, this.width - 2 * side);
    const height = Math.min(box.height * zoom, this.height - 2 * margin);
    if (left < side) x += side - left;
    else if (left + width > this.width - side) x += this.width - side - left - width;
    if (top < margin) y += margin - top;
    else if (top + height > this.height - margin) y += this.height - margin - top - height;
    if (x !== this.#place.x || y !== this.#place.y) this.set({ x, y, zoom });
  }
}
