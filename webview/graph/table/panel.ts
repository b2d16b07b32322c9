/** The panel at the bottom: Layers, Scopes, Plan as text; and the inspector too where the page is narrow. */
import { formatCount } from '../../../src/protocol/target-text.ts';
import { element } from '../../shared/dom.ts';
import type { Actions } from '../actions.ts';
import type { Theme } from '../draw/theme.ts';
import type { Store } from '../model/store.ts';
import { figure, integer, pathTail, percent, t } from '../text.ts';
import { scopeMark } from '../view/legend.ts';
import { type Column, Grid } from './grid.ts';
import { type LayerRow, layerRows, type ScopeRow, scopeRows } from './rows.ts';

type Tab = Store['tab'];

/** Letters of a layer's path that its column holds. */
const LAYER_LETTERS = 30;

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
  #queued = false;

  /** `inspector` becomes a tab of its own while the page is narrow. */
  constructor(store: Store, actions: Actions, theme: Theme) {
    this.#store = store;
    this.#actions = actions;
    this.#theme = theme;
    this.#layers = new Grid<LayerRow>({
      label: t('Layers'),
      columns: this.#layerColumns(),
      empty: t('The layers appear here when the model is read.'),
      identity: (row) => row.item,
      choose: (row) => actions.select(row.item, { reveal: true, tell: true }),
    });
    this.#scopes = new Grid<ScopeRow>({
      label: t('Scopes'),
      columns: this.#scopeColumns(),
      empty: t('The scopes appear here when the groups are known.'),
      identity: (row) => row.scope,
      choose: (row) => actions.select(-1, { scope: row.scope, tell: true }),
    });
    this.#plan = element('pre', { class: 'plan-text', tabindex: 0, 'aria-label': t('Plan as text') });
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
    store.on(['model', 'figures', 'state'], () => this.#later());
    store.on(['selection'], () => this.#select());
    this.#render();
  }

  get inspectorSlot(): HTMLElement {
    return this.#pages.get('inspector')?.firstElementChild as HTMLElement;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    this.#later();
  }

  showPlanText(text: string): void {
    this.#plan.textContent = text;
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

  #later(): void {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      this.#render();
    });
  }

  #render(): void {
    const { tab, tree, overlay, groups, host } = this.#store;
    for (const [name, made] of this.#tabs) {
      made.setAttribute('aria-selected', String(name === tab));
      made.tabIndex = name === tab ? 0 : -1;
      const page = this.#pages.get(name);
      if (page) page.hidden = name !== tab;
    }
    if (tab === 'layers') this.#layers.rows = tree && overlay ? layerRows(tree, overlay) : [];
    if (tab === 'scopes') this.#scopes.rows = groups ? scopeRows(groups, host) : [];
    if (tab === 'plan') this.#askPlanText();
    this.#select();
  }

  /** The text is asked for when the slider rests. */
  #askPlanText(): void {
    clearTimeout(this.#timer);
    if (!this.#store.host.plan) {
      this.#plan.textContent = t('No plan yet. Set a FLOP target, and what stays of each group is listed here.');
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

  #layerColumns(): Column<LayerRow>[] {
    const total = (): number => Math.max(1, this.#store.host.view?.cost.macs ?? 1);
    return [
      {
        key: 'name',
        title: t('Layer'),
        width: 216,
        grow: 3,
        text: (row) => pathTail(row.name, LAYER_LETTERS),
        hint: t('Layers with weights'),
        sortBy: (row) => row.name,
        full: (row) => row.name,
      },
      { key: 'type', title: t('Type'), width: 90, grow: 1.4, text: (row) => row.type },
      {
        key: 'scope',
        title: t('Scope'),
        hint: t('Scope of its outputs'),
        width: 64,
        text: (row) => (row.scope < 0 ? '' : `s${row.scope}`),
        sortBy: (row) => row.scope,
        mark: (row) => (row.scope < 0 ? undefined : scopeMark(this.#theme, row.scope)),
      },
      {
        key: 'width',
        title: t('Width'),
        hint: t('Output channels'),
        number: true,
        width: 64,
        text: (row) => integer(row.width),
        sortBy: (row) => row.width,
      },
      {
        key: 'kept',
        title: t('Kept'),
        hint: t('Output channels that stay'),
        number: true,
        width: 64,
        text: (row) => integer(row.kept),
        sortBy: (row) => row.kept,
      },
      {
        key: 'share',
        title: t('Kept %'),
        number: true,
        width: 64,
        text: (row) => percent(row.kept / Math.max(1, row.width)),
        sortBy: (row) => row.kept / Math.max(1, row.width),
      },
      {
        key: 'macs',
        title: t('MACs'),
        number: true,
        width: 76,
        text: (row) => formatCount(row.macs),
        sortBy: (row) => row.macs,
      },
      {
        key: 'after',
        title: t('After'),
        hint: t('MACs after pruning'),
        number: true,
        width: 76,
        text: (row) => formatCount(row.keptMacs),
        sortBy: (row) => row.keptMacs,
      },
      {
        key: 'cost',
        title: t('Share'),
        hint: t('Share of the model’s MACs'),
        number: true,
        width: 60,
        text: (row) => percent(row.macs / total()),
        sortBy: (row) => row.macs,
      },
      {
        key: 'params',
        title: t('Params'),
        number: true,
        width: 76,
        text: (row) => formatCount(row.params),
        sortBy: (row) => row.params,
      },
      {
        key: 'score',
        title: t('Score'),
        hint: t('Share of its scope’s scores that lie below its median'),
        number: true,
        width: 60,
        text: (row) => (row.importance === undefined ? '–' : percent(row.importance)),
        sortBy: (row) => row.importance ?? -1,
      },
    ];
  }

  #scopeColumns(): Column<ScopeRow>[] {
    const kinds: Readonly<Record<string, string>> = {
      channels: t('channels'),
      heads: t('heads'),
      headDim: t('head dims'),
    };
    return [
      {
        key: 'scope',
        title: t('Scope'),
        width: 64,
        text: (row) => `s${row.scope}`,
        sortBy: (row) => row.scope,
        mark: (row) => scopeMark(this.#theme, row.scope),
      },
      { key: 'label', title: t('Structure'), width: 160, grow: 3, text: (row) => row.label },
      { key: 'kind', title: t('Kind'), width: 84, text: (row) => kinds[row.kind] ?? row.kind },
      {
        key: 'groups',
        title: t('Groups'),
        number: true,
        width: 70,
        text: (row) => integer(row.groups),
        sortBy: (row) => row.groups,
      },
      {
        key: 'channels',
        title: t('Channels'),
        number: true,
        width: 80,
        text: (row) => integer(row.channels),
        sortBy: (row) => row.channels,
      },
      {
        key: 'kept',
        title: t('Kept'),
        number: true,
        width: 80,
        text: (row) => integer(row.kept),
        sortBy: (row) => row.kept,
      },
      {
        key: 'share',
        title: t('Kept %'),
        number: true,
        width: 70,
        text: (row) => percent(row.kept / Math.max(1, row.channels)),
        sortBy: (row) => row.kept / Math.max(1, row.channels),
      },
      {
        key: 'threshold',
        title: t('Threshold'),
        hint: t('Channels with this score or less go'),
        number: true,
        width: 90,
        text: (row) => (row.threshold === null ? '–' : figure(row.threshold)),
        sortBy: (row) => row.threshold ?? -1,
      },
    ];
  }
}
