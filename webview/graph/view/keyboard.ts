/** Keys of the graph: arrows along edges, Enter opens, / finds, f fits. */

import { type Direction, neighbour } from '../model/neighbours.ts';
import type { Store } from '../model/store.ts';
import { ROOT } from '../model/tree.ts';

export interface GraphKeys {
  focusItem(item: number): void;
  select(item: number, scope: boolean): void;
  toggle(item: number, alike: boolean): void;
  /** Pins a side of a layer, or frees it again. */
  pin(item: number, side: 'out' | 'in'): void;
  help(): void;
  clear(): void;
  find(): void;
  fit(): void;
  zoom(factor: number): void;
  pan(dx: number, dy: number): void;
}

const ARROWS: Readonly<Record<string, Direction>> = {
  ArrowDown: 'down',
  ArrowUp: 'up',
  ArrowLeft: 'left',
  ArrowRight: 'right',
};

const PAN: Readonly<Record<Direction, readonly [number, number]>> = {
  down: [0, -60],
  up: [0, 60],
  left: [60, 0],
  right: [-60, 0],
};

/** Handles one key; returns whether it was one of ours. */
function handle(event: KeyboardEvent, store: Store, keys: GraphKeys): boolean {
  const { focus, tree, layout, open } = store;
  const direction = ARROWS[event.key];
  if (direction && tree && layout) {
    if (event.shiftKey) keys.pan(...PAN[direction]);
    else keys.focusItem(focus < 0 ? (layout.boxes[0]?.item ?? -1) : neighbour(tree, open, layout, focus, direction));
    return true;
  }
  const simple: Readonly<Record<string, () => void>> = {
    '/': keys.find,
    f: keys.fit,
    F: keys.fit,
    '+': () => keys.zoom(1.25),
    '=': () => keys.zoom(1.25),
    '-': () => keys.zoom(0.8),
    '?': keys.help,
    Escape: keys.clear,
    Home: () => keys.focusItem(layout?.boxes[0]?.item ?? -1),
    End: () => keys.focusItem(layout?.boxes.at(-1)?.item ?? -1),
  };
  const action = simple[event.key];
  if (action) {
    action();
    return true;
  }
  if (focus < 0 || !tree) return false;
  if (event.key === 'Enter') {
    if (tree.items[focus].children.length) keys.toggle(focus, event.shiftKey);
    else keys.select(focus, event.altKey);
    return true;
  }
  if (event.key === ' ') {
    keys.select(focus, event.altKey);
    return true;
  }
  if (event.key === 'p' || event.key === 'P') {
    keys.pin(focus, event.key === 'p' ? 'out' : 'in');
    return true;
  }
  if (event.key === 'g') {
    keys.select(focus, false);
    return true;
  }
  if (event.key === 's') {
    keys.select(focus, true);
    return true;
  }
  if (event.key === 'Backspace') {
    const { parent } = tree.items[focus];
    if (parent > ROOT) keys.focusItem(parent);
    return true;
  }
  return false;
}

export function listenToKeys(root: HTMLElement, store: Store, keys: GraphKeys): void {
  root.addEventListener('keydown', (event) => {
    // Shortcuts of VS Code pass; Alt with Enter and Space is ours.
    if (event.target !== root || event.ctrlKey || event.metaKey) return;
    if (handle(event, store, keys)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
}
