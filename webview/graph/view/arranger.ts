/** Lays the model out for what is open, and keeps the picture in place while boxes open and close. */
import type { GraphView } from '../../../src/protocol/graph-view.ts';
import { LayoutClient } from '../layout/client.ts';
import type { Layout } from '../layout/types.ts';
import { revealed } from '../model/expansion.ts';
import type { Store } from '../model/store.ts';
import type { Viewport } from './viewport.ts';

/** At this zoom and above names can be read. */
const READABLE = 0.5;
/** How much larger everything must become for columns to be worth their turns. */
const WORTH_WRAPPING = 1.25;
const MOST_COLUMNS = 8;

export class Arranger {
  readonly #store: Store;
  readonly #viewport: Viewport;
  readonly #client = new LayoutClient();
  readonly #firstLook: (layout: Layout) => void;
  readonly #report: (error: unknown) => void;
  #run = 0;
  /** Height from which on modules stand in columns; undefined: one column, however long. */
  #limit: number | undefined;

  /** `firstLook`: a model was laid out for the first time; `report`: it could not be laid out. */
  constructor(store: Store, viewport: Viewport, firstLook: (layout: Layout) => void, report: (error: unknown) => void) {
    this.#store = store;
    this.#viewport = viewport;
    this.#firstLook = firstLook;
    this.#report = report;
  }

  take(which: 'dense' | 'pruned', view: GraphView): void {
    this.#client.model(which, view).catch(this.#report);
  }

  /** Lays out with other items open; `anchor`: the item whose name stays where it is on screen. */
  async open(open: ReadonlySet<string>, anchor: number): Promise<void> {
    const run = ++this.#run;
    const store = this.#store;
    const { tree, layout: before } = store;
    if (!tree) return;
    try {
      const [layout, pruned] = await Promise.all([
        this.#client.layout('dense', open, this.#limit),
        store.prunedTree ? this.#client.layout('pruned', open, this.#limit) : null,
      ]);
      if (run !== this.#run || store.tree !== tree) return;
      if (before) this.#keepInPlace(before, layout, anchor);
      store.show(layout, open, pruned);
      if (!before) this.#firstLook(layout);
    } catch (error) {
      this.#report(error);
    }
  }

  /** The spine stays where it is from left to right, the anchor from top to bottom. */
  #keepInPlace(before: Layout, after: Layout, anchor: number): void {
    const [spineBefore, spineAfter] = [before.boxes[0], after.boxes[0]];
    const [from, to] = [before, after].map(({ boxes }) => boxes.find(({ item }) => item === anchor));
    const { zoom } = this.#viewport.place;
    const dx =
      spineBefore && spineAfter ? spineBefore.x + spineBefore.width / 2 - (spineAfter.x + spineAfter.width / 2) : 0;
    const dy = from && to ? from.y - to.y : 0;
    if (dx || dy) this.#viewport.pan(dx * zoom, dy * zoom);
  }

  /** Opens what is around an item and brings it on screen. */
  async reveal(item: number): Promise<void> {
    const { tree, open } = this.#store;
    if (!tree) return;
    const wider = revealed(tree, open, item);
    if (wider !== open) await this.open(wider, item);
    const box = this.#store.layout?.boxes.find((placed) => placed.item === item);
    if (box) this.#viewport.reveal(box);
  }

  /** Shows everything: what would be too small to read in one column, in several. Once more: in one column again. */
  async fit(): Promise<void> {
    const { layout, open } = this.#store;
    if (!layout) return;
    const limit = this.#limit === undefined ? await this.#bestLimit(layout, open) : undefined;
    if (limit !== this.#limit) {
      this.#limit = limit;
      await this.open(open, -1);
    }
    const now = this.#store.layout;
    if (now) this.#viewport.fit(now.width, now.height);
  }

  /** The height of columns at which everything is seen largest; undefined where one column is large enough. */
  async #bestLimit(layout: Layout, open: ReadonlySet<string>): Promise<number | undefined> {
    const { width, height } = this.#viewport;
    const zoom = (size: { readonly width: number; readonly height: number }): number =>
      Math.min(width / size.width, height / size.height, 1);
    let best = { zoom: zoom(layout) * WORTH_WRAPPING, limit: undefined as number | undefined };
    if (zoom(layout) >= READABLE) return undefined;
    for (let columns = 2; columns <= MOST_COLUMNS; columns++) {
      const limit = Math.ceil(layout.height / columns);
      const found = zoom(await this.#client.layout('dense', open, limit));
      if (found > best.zoom) best = { zoom: found, limit };
    }
    return best.limit;
  }
}
