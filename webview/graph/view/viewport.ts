/** Where the picture stands on screen: shared by both panes of the split view, so that they move in step. */
import type { Area } from '../draw/picture.ts';

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

const ZOOM_RANGE = { min: 0.01, max: 4 } as const;

/** A first look at a tall network starts at its top in a readable size instead of showing all of it too small. */
const READABLE_ZOOM = 0.85;

/** A pane that becomes narrower makes the picture smaller to keep its boxes whole, but not smaller than this. */
const LEAST_ZOOM = 0.6;

export class Viewport {
  #place: Place = { x: 0, y: 0, zoom: 1 };
  #listeners: (() => void)[] = [];
  /** Zoom as it was chosen; a pane too narrow for it shows less for as long as it is. */
  #chosen = 1;
  /** Width of the whole picture at zoom 1; 0 before it is known. */
  contentWidth = 0;
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
    this.#chosen = zoom;
    this.#move({ x: place.x, y: place.y, zoom });
  }

  #move(place: Place): void {
    this.#place = place;
    for (const listener of this.#listeners) listener();
  }

  /** The panes have another size: what was in the middle from left to right stays there, and what was seen whole stays whole. */
  resize(width: number, height: number): void {
    const before = this.width;
    this.width = width;
    this.height = height;
    if (before === 0 || width === before) return;
    const { x, y, zoom } = this.#place;
    const fitted = zoom < this.#chosen || this.contentWidth * zoom <= before + 1;
    const fitting = this.contentWidth > 0 && fitted ? Math.max(LEAST_ZOOM, width / this.contentWidth) : this.#chosen;
    const to = fitted ? Math.min(this.#chosen, fitting) : zoom;
    this.#move({ x: width / 2 - ((before / 2 - x) * to) / zoom, y: (y * to) / zoom, zoom: to });
  }

  pan(dx: number, dy: number): void {
    const { x, y, zoom } = this.#place;
    this.#move({ x: x + dx, y: y + dy, zoom });
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
    if (x !== this.#place.x || y !== this.#place.y) this.#move({ x, y, zoom });
  }
}
