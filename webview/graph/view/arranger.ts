/** Lays the model out for what is open, and keeps the picture in place while boxes open and close. */
import type { GraphView } from '../../../src/protocol/graph-view.ts';
import { LayoutClient } from '../layout/client.ts';
import type { Layout } from '../layout/types.ts';
import { revealed } from '../model/expansion.ts';
import type { Store } from '../model/store.ts';
import type { Viewport } from './viewport.ts';

export class Arranger {
  readonly #store: Store;
  readonly #viewport: Viewport;
  readonly #client = new LayoutClient();
  readonly #firstLook: (layout: Layout) => void;
  readonly #report: (error: unknown) => void;
  #run = 0;

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
        this.#client.layout('dense', open),
        store.prunedTree ? this.#client.layout('pruned', open) : null,
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

  fit(): void {
    const { layout } = this.#store;
    if (layout) this.#viewport.fit(layout.width, layout.height);
  }
}
