/** Beside the target: whether each scope gives the same share, or what the network misses least goes first. */
import { type Select, select } from '../../shared/controls.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { Store } from '../model/store.ts';

type Spread = 'uniform' | 'sensitivity';

export class SpreadControl {
  readonly root: HTMLElement;
  readonly #store: Store;
  readonly #actions: Actions;
  readonly #select: Select;

  constructor(store: Store, actions: Actions) {
    this.#store = store;
    this.#actions = actions;
    this.#select = select({
      label: t('How the target is spread'),
      choices: [
        ['uniform', t('same share')],
        ['sensitivity', t('by sensitivity')],
      ],
      value: this.#now(),
      onChange: (value) => this.#choose(value as Spread),
    });
    this.root = element('div', { class: 'spread' }, this.#select);
    store.on(['model', 'state', 'figures'], () => this.#render());
    this.#render();
  }

  #now(): Spread {
    return this.#store.host.settings.spread ? 'sensitivity' : 'uniform';
  }

  #choose(wanted: Spread): void {
    if (wanted === this.#now()) return;
    const { sensitivity } = this.#store.host;
    if (wanted === 'uniform') this.#actions.send('graph/settings', { spread: null });
    else if (sensitivity) this.#actions.send('graph/settings', { spread: sensitivity.settings });
    else this.#actions.send('graph/run', 'spread');
    // It shows what is so: measuring takes a while, and can be refused.
    this.#render();
  }

  #render(): void {
    const { host } = this.#store;
    this.#select.value = this.#now();
    this.#select.disabled = !host.view || !host.groups || host.cannotRun !== '' || host.task !== null;
    this.#select.title = host.settings.spread
      ? t(
          'More goes where the answers move least ({0}); what is left is repaired when it is pruned',
          host.sensitivity?.label ?? '',
        )
      : t('The same share of each scope goes, as in the paper; "by sensitivity" is measured on images first');
  }
}
