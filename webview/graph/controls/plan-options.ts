/** Plan options: how channels compete, heads, rounding, the largest share a layer may lose. */

import type { PlanSettings } from '../../../src/protocol/values.ts';
import { type Select, select, type TextField, textField } from '../../shared/controls.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { Store } from '../model/store.ts';

type Ranking = 'isomorphic' | 'global' | 'local';

/** How a setting looks in its field, and what the text in it means; undefined: nothing that can be read. */
interface Field {
  readonly key: 'headRatio' | 'headDimRatio' | 'roundTo' | 'maxRatio' | 'removeLayers';
  readonly label: string;
  readonly hint: string;
  read(text: string): number | undefined | 'none';
}

const ratio = (text: string): number | undefined | 'none' => {
  const match = /^\s*(\d+(?:[.,]\d*)?|[.,]\d+)\s*(%?)\s*$/.exec(text);
  if (text.trim() === '') return 'none';
  if (!match) return undefined;
  const value = Number(match[1].replace(',', '.')) / (match[2] ? 100 : 1);
  return value >= 0 && value <= 1 ? value : undefined;
};

const FIELDS: readonly Field[] = [
  { key: 'headRatio', label: t('Heads to remove'), hint: t('0 to 1; empty: as the target needs'), read: ratio },
  { key: 'headDimRatio', label: t('Head dims to remove'), hint: t('0 to 1; empty: as the target needs'), read: ratio },
  {
    key: 'roundTo',
    label: t('Round widths to'),
    hint: t('widths become multiples of it'),
    read: (text) => (/^\s*[1-9]\d{0,3}\s*$/.test(text) ? Number(text) : undefined),
  },
  {
    key: 'maxRatio',
    label: t('Largest share'),
    hint: t('no layer loses more; 0 to 1'),
    read: (text) => (ratio(text) === 'none' ? 1 : ratio(text)),
  },
  {
    key: 'removeLayers',
    label: t('Blocks to remove'),
    hint: t('whole blocks of the second-to-last stage; a number'),
    read: (text) => (/^\s*\d{0,3}\s*$/.test(text) ? Number(text) : undefined),
  },
];

const rankingOf = (settings: PlanSettings): Ranking =>
  !settings.global ? 'local' : settings.isomorphic ? 'isomorphic' : 'global';

export class PlanOptions {
  readonly root: HTMLElement;
  readonly #store: Store;
  readonly #actions: Actions;
  readonly #ranking: Select;
  readonly #fields = new Map<Field['key'], TextField>();
  readonly #problem = element('span', { class: 'error', role: 'status' });

  constructor(store: Store, actions: Actions) {
    this.#store = store;
    this.#actions = actions;
    this.#ranking = select({
      label: t('Ranking'),
      choices: [
        ['isomorphic', t('Isomorphic: equal structures')],
        ['global', t('Global: all channels')],
        ['local', t('Local: each group alone')],
      ],
      value: rankingOf(store.host.settings),
      onChange: (value) => this.#rank(value as Ranking),
    });
    const rows = FIELDS.map((field) => {
      const input = textField({ label: field.label, onChange: (text) => this.#change(field, text) });
      input.title = field.hint;
      this.#fields.set(field.key, input);
      return element('label', { class: 'option' }, element('span', {}, field.label), input);
    });
    this.root = element(
      'section',
      { class: 'options', 'aria-label': t('Plan options') },
      element('label', { class: 'option' }, element('span', {}, t('Ranking')), this.#ranking),
      ...rows,
      this.#problem,
    );
    store.on(['state', 'model'], () => this.#render());
    this.#render();
  }

  #rank(ranking: Ranking): void {
    if (ranking === rankingOf(this.#store.host.settings)) return;
    this.#actions.send('graph/settings', { isomorphic: ranking === 'isomorphic', global: ranking !== 'local' });
  }

  #change(field: Field, text: string): void {
    const value = field.read(text);
    this.#problem.textContent = value === undefined ? t('{0}: {1}.', field.label, field.hint) : '';
    if (value === undefined) return;
    const number = value === 'none' ? null : value;
    const before = this.#store.host.settings[field.key] ?? null;
    if (number !== before) this.#actions.send('graph/settings', { [field.key]: number });
  }

  #render(): void {
    const { settings } = this.#store.host;
    this.#ranking.value = rankingOf(settings);
    for (const [key, input] of this.#fields)
      if (!input.matches(':focus-within')) input.value = settings[key] === undefined ? '' : String(settings[key]);
  }
}
