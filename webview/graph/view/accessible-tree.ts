/**
 * The picture as a tree for screen readers and the keyboard: one element for each box, out of sight, named in words. The
 * tree itself has the focus; `aria-activedescendant` says which item the keyboard is on.
 */

import { element, setText } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { spoken } from '../model/describe.ts';
import type { Store } from '../model/store.ts';

/** Names follow the figures this long after the slider rests. */
const NAMES_AFTER_MS = 400;

const idOf = (item: number): string => `item-${item}`;

export class AccessibleTree {
  readonly root: HTMLElement;
  readonly #store: Store;
  readonly #list: HTMLElement;
  readonly #elements = new Map<number, HTMLElement>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store, ...children: readonly HTMLElement[]) {
    this.#store = store;
    this.#list = element('div', { class: 'visually-hidden', role: 'presentation' });
    this.root = element(
      'div',
      { class: 'graph', role: 'tree', tabindex: 0, 'aria-label': t('Model graph') },
      ...children,
      this.#list,
    );
    store.on(['layout'], () => this.#rebuild());
    store.on(['figures'], () => this.#renameLater());
    store.on(['selection', 'look'], () => this.#mark());
  }

  #rebuild(): void {
    const { tree, layout } = this.#store;
    this.#elements.clear();
    if (!tree || !layout) {
      this.#list.replaceChildren();
      return;
    }
    const shallowest = Math.min(...layout.boxes.map((box) => tree.items[box.item].depth));
    const made = layout.boxes.map((box) => {
      const item = tree.items[box.item];
      const siblings = tree.items[item.parent].children;
      const node = element('div', {
        id: idOf(box.item),
        role: 'treeitem',
        'aria-level': item.depth - shallowest + 1,
        'aria-setsize': siblings.length,
        'aria-posinset': siblings.indexOf(box.item) + 1,
        'aria-expanded': item.children.length ? String(box.open) : undefined,
      });
      this.#elements.set(box.item, node);
      return node;
    });
    this.#list.replaceChildren(...made);
    this.#rename();
    this.#mark();
  }

  #renameLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#rename(), NAMES_AFTER_MS);
  }

  #rename(): void {
    const { tree, overlay, groups, highlight } = this.#store;
    if (!tree || !overlay) return;
    for (const [item, node] of this.#elements) {
      const own = tree.items[item].node;
      setText(node, spoken(tree, overlay, groups, item, own >= 0 && highlight.members.has(own)));
    }
  }

  #mark(): void {
    const { focus, selection, highlight } = this.#store;
    for (const [item, node] of this.#elements) {
      const selected = item === selection.item;
      if ((node.getAttribute('aria-selected') === 'true') !== selected)
        node.setAttribute('aria-selected', String(selected));
    }
    if (this.#elements.has(focus)) this.root.setAttribute('aria-activedescendant', idOf(focus));
    else this.root.removeAttribute('aria-activedescendant');
    if (highlight.groups.length) this.#renameLater();
  }
}
