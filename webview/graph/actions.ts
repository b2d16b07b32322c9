/** What the parts of the page can ask the editor to do. */
import type { GraphToHost, TargetWish } from '../../src/protocol/graph-editor.ts';
import type { Side } from '../../src/protocol/graph-view.ts';
import type { Mode } from './model/store.ts';

export interface SelectOptions {
  readonly side?: Side;
  /** The whole scope of the item, or this scope. */
  readonly scope?: boolean | number;
  /** Open what is around it and bring it on screen. */
  readonly reveal?: boolean;
  /** Chosen here by the person: the host is told. */
  readonly tell?: boolean;
}

export interface Actions {
  send<K extends keyof GraphToHost>(type: K, value: GraphToHost[K]): void;
  select(item: number, options?: SelectOptions): void;
  /** Pins a side of a layer, or frees it again; nothing where that would change nothing. */
  togglePin(item: number, side: Side): void;
  /** Shows the keys of the graph. */
  help(): void;
  toggle(item: number, alike: boolean): void;
  expandAll(): void;
  collapseAll(): void;
  fit(): void;
  find(): void;
  zoom(factor: number): void;
  setMode(mode: Mode): void;
  exportPicture(format: 'svg' | 'png'): void;
  /** Wants a plan for so much. */
  want(wish: TargetWish): void;
  /** Puts the keyboard back on the graph. */
  focusGraph(): void;
}
