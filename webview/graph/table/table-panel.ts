/** The panel at the bottom: Layers, Scopes, Plan as text; and the inspector too where the page is narrow. */

import { element, setText } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { onceAFrame } from '../../shared/once-a-frame.ts';
import type { Actions } from '../actions.ts';
import type { Theme } from '../draw/theme.ts';
import type { Store } from '../model/store.ts';
import { scopeMark } from '../view/legend.ts';
import { Grid } from './grid.ts';
import { layerColumns, scopeColumns } from './layer-columns.ts';
import { type LayerRow, layerRows, type ScopeRow, scopeRows } from './rows.ts';

type Tab = Store['tab'];

const PLAN_TEXT_AFTER_MS = 250;

export class Panel {
  readonly root: HTMLElement;
  readonly #store: Store;
  readonly #actions: Actions;
  readonly #tabs = new Map<Tab, HTMLButtonElement>();
  readonly #pages = new Map<Tab, HTMLElement>();
  readonly #layers: Grid<LayerRow>;
  readonly #scopes: Grid<ScopeRow>;
  readonly #plan: HTMLElement;
  #theme: Theme;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #later = onceAFrame(() => this.#render());

  /** `inspector` becomes a tab of its own while the page is narrow. */
  constructor(store: Store, actions: Actions, theme: Theme) {
    this.#store = store;
    this.#actions = actions;
    this.#theme = theme;
    const mark = (scope: number): Element => scopeMark(this.#theme, scope);
    this.#layers = new Grid<LayerRow>({
      label: t('Layers'),
      columns: layerColumns(() => Math.max(1, store.host.view?.cost.macs ?? 1), mark),
      empty: t('The layers appear here when the model is read.'),
      identity: (row) => row.item,
      choose: (row) => actions.select(row.item, { reveal: true, tell: true }),
    });
    this.#scopes = new Grid<ScopeRow>({
      label: t('Scopes'),
      columns: scopeColumns(mark),
      empty: t('The scopes appear here when the groups are known.'),
      identity: (row) => row.scope,
      choose: (row) => actions.select(-1, { scope: row.scope, tell: true }),
    });
    this.#plan = element('pre', { class: 'plan-text', role: 'region', tabindex: 0, 'aria-label': t('Plan as text') });
    const tabs: [Tab, string, HTMLElement][] = [
      ['inspector', t('Inspector'), element('div', { class: 'inspector-slot' })],
      ['layers', t('Layers'), this.#layers.root],
      ['scopes', t('Scopes'), this.#scopes.root],
      ['plan', t('Plan (text)'), this.#plan],
    ];
    const list = element('div', { class: 'tabs', role: 'tablist', 'aria-label': t('Tables') });
    this.root = element('section', { class: 'panel', 'aria-label': t('Tables') }, list);
    for (const [tab, label, page] of tabs) {
      const made = element(
        'button',
        { type: 'button', role: 'tab', class: 'tab', id: `tab-${tab}`, 'aria-controls': `page-${tab}` },
        label,
      );
      made.addEventListener('click', () => store.setTab(tab));
      made.addEventListener('keydown', (event) => this.#tabKey(event, tab));
      page.id = `page-${tab}`;
      const holder = element('div', { class: 'page', role: 'tabpanel', 'aria-labelledby': `tab-${tab}` }, page);
      this.#tabs.set(tab, made);
      this.#pages.set(tab, holder);
      list.append(made);
      this.root.append(holder);
    }
    store.on(['tab'], () => this.#render());
    store.on(['model', 'figures'], () => this.#later());
    store.on(['selection'], () => this.#select());
    this.#render();
  }

  get inspectorSlot(): HTMLElement {
    return this.#pages.get('inspector')?.firstElementChild as HTMLElement;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    this.#layers.forget();
    this.#scopes.forget();
    this.#later();
  }

  showPlanText(text: string): void {
    setText(this.#plan, text);
  }

  #tabKey(event: KeyboardEvent, tab: Tab): void {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    const shown = [...this.#tabs.keys()].filter((name) => this.#tabs.get(name)?.offsetParent !== null);
    const next = shown[(shown.indexOf(tab) + step + shown.length) % shown.length];
    this.#store.setTab(next);
    this.#tabs.get(next)?.focus();
    event.preventDefault();
  }

  #render(): void {
    const { tab, tree, overlay, groups, host } = this.#store;
    for (const [name, made] of this.#tabs) {
      made.setAttribute('aria-selected', String(name === tab));
      made.tabIndex = name === tab ? 0 : -1;
      const page = this.#pages.get(name);
      if (page) page.hidden = name !== tab;
    }
    if (tab === 'layers') this.#layers.rows = tree && overlay ? layerRows(tree, overlay, groups) : [];
    if (tab === 'scopes') this.#scopes.rows = groups ? scopeRows(groups, host) : [];
    if (tab === 'plan') this.#askPlanText();
    this.#select();
  }

  /** The text is asked for when the slider rests. */
  #askPlanText(): void {
    clearTimeout(this.#timer);
    if (!this.#store.host.plan) {
      this.#plan.textContent = t('No plan yet. Set a target, and what stays of each group is listed here.');
      return;
    }
    this.#timer = setTimeout(() => this.#actions.send('graph/planText', null), PLAN_TEXT_AFTER_MS);
  }

  #select(): void {
    const { tree, selection, highlight, tab } = this.#store;
    if (!tree) return;
    if (tab === 'layers') {
      const items = new Set([...highlight.members].map((node) => tree.itemOfNode[node]));
      if (selection.item > 0) items.add(selection.item);
      this.#layers.select(
        items,
        selection.item > 0 && selection.scope === null && !this.#layers.root.matches(':focus-within'),
      );
    }
    if (tab === 'scopes') {
      const { groups } = this.#store;
      const scopes = new Set(highlight.groups.map((group) => groups?.view.groups[group].scope ?? -1));
      this.#scopes.select(scopes, !this.#scopes.root.matches(':focus-within'));
    }
  }
}
