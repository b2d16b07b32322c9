/** Puts the page together and holds the threads: messages of the host, layout, selection, plan requests, what is remembered. */
import type { GraphToHost, HostToGraph } from '../../src/protocol/graph-editor.ts';
import { element } from '../shared/dom.ts';
import { connect, type Handlers, type Host } from '../shared/host.ts';
import type { Actions, SelectOptions } from './actions.ts';
import { runCommand } from './commands.ts';
import { Notices } from './controls/notices.ts';
import { PlanOptions } from './controls/options.ts';
import { splitter } from './controls/splitter.ts';
import { TopBar } from './controls/top-bar.ts';
import { pictureAsPng, pictureAsSvg } from './export.ts';
import { Inspector } from './inspector/inspector.ts';
import type { Layout } from './layout/types.ts';
import { allOpen, firstExpansion, toggled, toggledAlike } from './model/expansion.ts';
import { PlanRequests } from './model/plan-requests.ts';
import { findItem, type Selection } from './model/selection.ts';
import { type Mode, Store } from './model/store.ts';
import { ROOT } from './model/tree.ts';
import { Panel } from './table/panel.ts';
import { t } from './text.ts';
import { Arranger } from './view/arranger.ts';
import { GraphArea } from './view/graph-area.ts';
import { pictureOf } from './view/picture-of.ts';
import { type Place, Viewport } from './view/viewport.ts';

/** What the editor remembers while it is hidden and after the window was closed. */
interface Remembered {
  readonly model: string;
  readonly open: readonly string[];
  readonly selected: string;
  readonly place: Place;
  readonly mode: Mode;
  readonly tab: Store['tab'];
  readonly side: number;
  readonly panel: number;
  readonly panelShown: boolean;
  readonly options: boolean;
  readonly legend: boolean;
}

interface Sizes {
  readonly side: number;
  readonly panel: number;
}

const DEFAULTS: Sizes = { side: 320, panel: 220 };
/** Narrower than this the inspector is a tab below the graph. */
const NARROW = 720;
const REMEMBER_AFTER_MS = 300;

export class Editor {
  readonly store = new Store();
  readonly viewport = new Viewport();
  readonly #actions: Actions;
  readonly #host: Host<GraphToHost, Remembered>;
  readonly #remembered: Remembered | undefined;
  readonly #arranger: Arranger;
  readonly #plans: PlanRequests;
  readonly #area: GraphArea;
  readonly #bar: TopBar;
  readonly #inspector: Inspector;
  readonly #panel: Panel;
  readonly #options: PlanOptions;
  readonly #root: HTMLElement;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #size: Sizes;
  #panelShown: boolean;

  constructor(root: HTMLElement) {
    this.#host = connect<HostToGraph, GraphToHost, Remembered>(this.#handlers());
    this.#remembered = this.#host.getState();
    this.#size = { side: this.#remembered?.side ?? DEFAULTS.side, panel: this.#remembered?.panel ?? DEFAULTS.panel };
    this.#panelShown = this.#remembered?.panelShown ?? true;
    this.#arranger = new Arranger(
      this.store,
      this.viewport,
      (layout) => this.#firstLook(layout),
      (error) => this.#report(error),
    );
    this.#plans = new PlanRequests((seq, macs) => this.#host.send('graph/target', { seq, macs }));
    this.#actions = this.#makeActions();
    const actions = this.#actions;
    this.#area = new GraphArea(this.store, this.viewport, actions);
    this.#options = new PlanOptions(this.store, actions);
    this.#bar = new TopBar(this.store, actions, {
      options: () => this.#showOptions(this.#options.root.hidden),
      panel: () => this.#showPanel(!this.#panelShown),
    });
    this.#inspector = new Inspector(this.store, actions, this.#area.theme);
    this.#panel = new Panel(this.store, actions, this.#area.theme);
    this.#area.onTheme((theme) => {
      this.#inspector.theme = theme;
      this.#panel.theme = theme;
    });
    this.#root = this.#assemble(root, new Notices(this.store, actions));
    this.#restoreLook();
    this.store.on(['layout'], () => {
      this.viewport.contentWidth = this.store.layout?.width ?? 0;
    });
    this.store.on(['layout', 'selection', 'look', 'tab'], () => this.#rememberLater());
    this.viewport.onChange(() => this.#rememberLater());
  }

  /** Tells the host that it can send. */
  ready(): void {
    this.#host.send('ready', null);
  }

  #assemble(root: HTMLElement, notices: Notices): HTMLElement {
    const side = splitter({
      label: t('Width of the inspector'),
      orientation: 'vertical',
      minimum: 200,
      maximum: () => Math.max(200, window.innerWidth - 260),
      size: this.#size.side,
      onSize: (size) => this.#resize({ side: size }),
    });
    const below = splitter({
      label: t('Height of the tables'),
      orientation: 'horizontal',
      minimum: 90,
      maximum: () => Math.max(90, window.innerHeight - 240),
      size: this.#size.panel,
      onSize: (size) => this.#resize({ panel: size }),
    });
    const editor = element(
      'div',
      { class: 'editor' },
      this.#bar.root,
      this.#options.root,
      notices.root,
      element('div', { class: 'middle' }, this.#area.root, side, this.#inspector.root),
      below,
      this.#panel.root,
    );
    root.replaceChildren(editor);
    new ResizeObserver(() => this.#arrange()).observe(root);
    this.#resize({});
    return editor;
  }

  /** Moves the inspector into the tabs where there is no room beside the graph. */
  #arrange(): void {
    const narrow = this.#root.clientWidth < NARROW;
    if (narrow === this.#root.classList.contains('narrow')) return;
    this.#root.classList.toggle('narrow', narrow);
    if (narrow) this.#panel.inspectorSlot.append(this.#inspector.root);
    else this.#root.querySelector('.middle')?.append(this.#inspector.root);
    if (!narrow && this.store.tab === 'inspector') this.store.setTab('layers');
  }

  #resize(change: Partial<Sizes>): void {
    this.#size = { ...this.#size, ...change };
    this.#root?.style.setProperty('--side', `${this.#size.side}px`);
    this.#root?.style.setProperty('--panel', `${this.#size.panel}px`);
    this.#rememberLater();
  }

  #restoreLook(): void {
    const before = this.#remembered;
    this.#resize({});
    this.#showOptions(before?.options ?? false);
    this.#showPanel(this.#panelShown);
    this.#area.legend.root.open = before?.legend ?? false;
    this.#area.legend.root.addEventListener('toggle', () => this.#rememberLater());
    if (before) {
      this.store.mode = before.mode;
      this.store.tab = before.tab;
      this.store.emit('look', 'state', 'tab');
    }
    this.#arrange();
  }

  #showOptions(shown: boolean): void {
    this.#options.root.hidden = !shown;
    this.#rememberLater();
  }

  #showPanel(shown: boolean): void {
    this.#panelShown = shown;
    this.#root.classList.toggle('no-panel', !shown);
    this.#rememberLater();
  }

  #rememberLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const { store } = this;
      if (!store.tree || !store.layout) return;
      this.#host.setState({
        model: store.tree.view.name,
        open: [...store.open],
        selected: store.tree.items[store.selection.item]?.key ?? '',
        place: this.viewport.place,
        mode: store.mode,
        tab: store.tab,
        ...this.#size,
        panelShown: this.#panelShown,
        options: !this.#options.root.hidden,
        legend: this.#area.legend.root.open,
      });
    }, REMEMBER_AFTER_MS);
  }

  #firstLook(layout: Layout): void {
    const before = this.#remembered;
    const { tree } = this.store;
    if (before && tree && before.model === tree.view.name) {
      this.viewport.set(before.place);
      const item = tree.byKey.get(before.selected);
      if (item !== undefined && item > ROOT) this.store.select({ ...this.store.selection, item });
    } else this.viewport.fit(layout.width, layout.height, true);
    requestAnimationFrame(() => setTimeout(() => performance.mark('espalier: model drawn')));
  }

  #select(item: number, { side, scope, reveal, tell }: SelectOptions = {}): void {
    const { store } = this;
    const { tree, groups } = store;
    if (!tree) return;
    const wantedSide = side ?? 'out';
    const ownScope = item > ROOT ? (store.overlay?.figures[item]?.scope ?? -1) : -1;
    const chosen = typeof scope === 'number' ? scope : scope && ownScope >= 0 ? ownScope : null;
    const selection: Selection = { item: item > ROOT ? item : -1, side: wantedSide, scope: groups ? chosen : null };
    if (item > ROOT) store.focus = item;
    store.select(selection);
    if (tell) {
      const name = item > ROOT ? tree.items[item].key.replace(/^#/, '') : '';
      this.#host.send('graph/selected', { nodes: name ? [name] : [], scope: selection.scope });
    }
    if (reveal && item > ROOT) void this.#arranger.reveal(item);
  }

  #report(error: unknown): void {
    this.#host.send('graph/error', error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  #makeActions(): Actions {
    const { store } = this;
    const inTree = (run: (tree: NonNullable<Store['tree']>) => void): void => {
      if (store.tree) run(store.tree);
    };
    return {
      send: (type, value) => this.#host.send(type, value),
      select: (item, options) => this.#select(item, options),
      toggle: (item, alike) =>
        inTree((tree) => {
          if (item <= ROOT || !tree.items[item].children.length) return;
          void this.#arranger.open(
            alike ? toggledAlike(tree, store.open, item) : toggled(store.open, tree.items[item].key),
            item,
          );
        }),
      expandAll: () => inTree((tree) => void this.#arranger.open(allOpen(tree), store.focus)),
      collapseAll: () => inTree((tree) => void this.#arranger.open(firstExpansion(tree), store.focus)),
      fit: () => this.#arranger.fit(),
      find: () => this.#area.find.open(),
      zoom: (factor) => this.viewport.zoomAt(factor, this.viewport.width / 2, this.viewport.height / 2),
      setMode: (mode) => store.setMode(mode),
      exportPicture: (format) => this.#export(format),
      want: (macs) => {
        store.planPending = true;
        this.#plans.want(macs);
      },
      focusGraph: () => this.#area.focus(),
    };
  }

  #export(format: 'svg' | 'png'): void {
    const { store } = this;
    const scene = store.scene(store.mode === 'pruned' ? 'pruned' : 'dense');
    if (!scene) return;
    const picture = { ...pictureOf(store, scene, this.#area.theme), focus: -1, hover: -1 };
    try {
      const data = format === 'svg' ? pictureAsSvg(picture) : pictureAsPng(picture);
      this.#host.send('graph/export', { format, name: `${scene.tree.view.name}.${format}`, data });
    } catch (error) {
      this.#report(error);
    }
  }

  #take(change: Partial<HostToGraph['graph/show']>): void {
    const known = this.#remembered?.model === change.view?.name ? this.#remembered?.open : undefined;
    const before = this.store.host;
    const another = this.store.update(change, known);
    const { view, pruned } = this.store.host;
    // Marks are for measurements: `npm run test:e2e -- measure`.
    if (another && view) performance.mark('espalier: model arrived');
    if (another && view) this.#arranger.take('dense', view);
    if (pruned && pruned !== before.pruned) this.#arranger.take('pruned', pruned);
    if ((another && view) || pruned !== before.pruned) void this.#arranger.open(this.store.open, -1);
  }

  #handlers(): Handlers<HostToGraph> {
    return {
      'graph/show': (state) => this.#take(state),
      'graph/update': (state) => this.#take(state),
      'graph/plan': ({ seq, problem }) => {
        if (!this.#plans.answered(seq)) return;
        this.store.planPending = this.#plans.pending;
        if (problem) this.#bar.target.failed(problem);
      },
      'graph/select': ({ nodes, scope, reveal }) => {
        const { tree } = this.store;
        if (!tree) return;
        const item = nodes.length ? findItem(tree, nodes[0]) : -1;
        this.#select(item, { scope: scope ?? false, reveal });
      },
      'graph/details': (details) => this.#inspector.show(details),
      'graph/planText': (text) => this.#panel.showPlanText(text),
      'graph/command': (command) =>
        runCommand(command, this.store, this.#actions, {
          showTab: (tab) => {
            this.#showPanel(true);
            this.store.setTab(tab);
          },
          focusTarget: () => this.#bar.target.focus(),
        }),
    };
  }
}
