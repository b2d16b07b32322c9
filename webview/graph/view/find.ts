/** Search field with its list of results: modules and layers by name or type. */

import { element, icon } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { typeOf } from '../model/describe.ts';
import { pathOf, search } from '../model/search.ts';
import type { Store } from '../model/store.ts';

const MOST_SHOWN = 60;

export class Find {
  readonly root: HTMLElement;
  readonly #input: HTMLInputElement;
  readonly #list: HTMLElement;
  readonly #status: HTMLElement;
  readonly #store: Store;
  readonly #choose: (item: number) => void;
  readonly #closed: () => void;
  #found: readonly number[] = [];
  #active = 0;

  constructor(store: Store, choose: (item: number) => void, closed: () => void) {
    this.#store = store;
    this.#choose = choose;
    this.#closed = closed;
    this.#input = element('input', {
      type: 'text',
      class: 'find-input',
      role: 'combobox',
      'aria-expanded': 'true',
      'aria-controls': 'find-list',
      'aria-label': t('Find modules and layers by name or type'),
      placeholder: t('name or type, e.g. conv2 3×3'),
      spellcheck: 'false',
    });
    this.#list = element('div', { id: 'find-list', class: 'find-list', role: 'listbox', 'aria-label': t('Results') });
    this.#status = element('div', { class: 'find-status muted', role: 'status' });
    const close = element('button', { type: 'button', class: 'plain', 'aria-label': t('Close') }, icon('close'));
    close.addEventListener('click', () => this.close());
    this.root = element(
      'div',
      { class: 'find', hidden: true },
      element('div', { class: 'find-row' }, this.#input, close),
      this.#status,
      this.#list,
    );
    this.#input.addEventListener('input', () => this.#search());
    this.#input.addEventListener('keydown', (event) => this.#key(event));
    store.on(['model'], () => this.#search());
  }

  open(): void {
    this.root.hidden = false;
    this.#input.focus();
    this.#input.select();
    this.#search();
  }

  close(): void {
    if (this.root.hidden) return;
    this.root.hidden = true;
    this.#closed();
  }

  #search(): void {
    if (this.root.hidden) return;
    const { tree } = this.#store;
    this.#found = tree ? search(tree, this.#input.value) : [];
    this.#active = 0;
    const query = this.#input.value.trim();
    this.#status.textContent = query
      ? this.#found.length
        ? t('{0} found', this.#found.length)
        : t('Nothing has this in its name or type.')
      : '';
    this.#list.replaceChildren(
      ...this.#found.slice(0, MOST_SHOWN).map((item, i) => {
        const option = element(
          'div',
          { id: `find-${i}`, class: 'find-option', role: 'option' },
          element('span', { class: 'find-name' }, tree ? pathOf(tree, item) : ''),
          element('span', { class: 'muted' }, tree ? typeOf(tree, item) : ''),
        );
        option.addEventListener('click', () => {
          this.#active = i;
          this.#take(true);
        });
        return option;
      }),
    );
    this.#mark();
  }

  #mark(): void {
    for (const [i, option] of [...this.#list.children].entries())
      option.setAttribute('aria-selected', String(i === this.#active));
    if (this.#found.length) this.#input.setAttribute('aria-activedescendant', `find-${this.#active}`);
    else this.#input.removeAttribute('aria-activedescendant');
    this.#list.children[this.#active]?.scrollIntoView({ block: 'nearest' });
  }

  #take(close: boolean): void {
    const item = this.#found[this.#active];
    if (item === undefined) return;
    this.#choose(item);
    if (close) this.close();
  }

  #key(event: KeyboardEvent): void {
    const last = Math.min(this.#found.length, MOST_SHOWN) - 1;
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: Math.min(last, this.#active + 1),
      ArrowUp: Math.max(0, this.#active - 1),
    };
    if (event.key in moves) {
      this.#active = moves[event.key];
      this.#mark();
      // What is looked through is shown, while the field keeps the focus.
      this.#take(false);
    } else if (event.key === 'Enter') this.#take(true);
    else if (event.key === 'Escape') this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
