/** Puts the page together and holds the threads: messages of the host, layout, selection, plan requests, what is remembered. */
import type { GraphToHost, HostToGraph, TargetWish } from '../../src/protocol/graph-editor.ts';
import { element } from '../shared/dom.ts';
import { connect, type Handlers, type Host } from '../shared/host-wire.ts';
import { t } from '../shared/l10n.ts';
import type { Actions, SelectOptions } from './actions.ts';
import { Notices } from './controls/notices.ts';
import { PlanOptions } from './controls/plan-options.ts';
import { TopBar } from './controls/top-bar.ts';
import { runCommand } from './editor-commands.ts';
import { Inspector } from './inspector/inspector.ts';
import type { Layout } from './layout/types.ts';
import { allOpen, firstExpansion, toggled, toggledAlike } from './model/expansion.ts';
import { canPin, pinStates } from './model/pinnable.ts';
import { PlanRequests } from './model/plan-requests.ts';
import { findItem, type Selection } from './model/selection.ts';
import { type Mode, Store } from './model/store.ts';
import { ROOT } from './model/tree.ts';
import { pictureAsPng, pictureAsSvg } from './picture-export.ts';
import { Panel } from './table/table-panel.ts';
import { Arranger } from './view/arranger.ts';
import { Frame, type FrameState } from './view/frame.ts';
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
  readonly frame: FrameState;
  readonly legend: boolean;
}

const REMEMBER_AFTER_MS = 300;

export class Editor {
  readonly store = new Store();
  readonly viewport = new Viewport();
  readonly #actions: Actions;
  readonly #host: Host<GraphToHost, Remembered>;
  readonly #remembered: Remembered | undefined;
  readonly #arranger: Arranger;
  readonly #plans: PlanRequests<TargetWish>;
  readonly #area: GraphArea;
  readonly #bar: TopBar;
  readonly #inspector: Inspector;
  readonly #panel: Panel;
  readonly #frame: Frame;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frameTimer: ReturnType<typeof setTimeout> | undefined;
  /** '' until the first frame stands. */
  #toldFrame = '';

  constructor(page: HTMLElement) {
    this.#host = connect<HostToGraph, GraphToHost, Remembered>(this.#handlers());
    this.#remembered = this.#host.getState();
    this.#arranger = new Arranger(
      this.store,
      this.viewport,
      (layout) => this.#firstLook(layout),
      (error) => this.#report(error),
    );
    this.#plans = new PlanRequests((seq, wish) => this.#host.send('graph/target', { seq, wish }));
    this.#actions = this.#makeActions();
    const actions = this.#actions;
    this.#area = new GraphArea(this.store, this.viewport, actions);
    this.#bar = new TopBar(this.store, actions, {
      options: () => this.#frame.showOptions(!this.#frame.state.options),
      panel: () => this.#frame.showPanel(!this.#frame.state.panelShown),
      side: () => this.#frame.showSide(!this.#frame.state.sideShown),
    });
    this.#inspector = new Inspector(this.store, actions, this.#area.theme);
    this.#panel = new Panel(this.store, actions, this.#area.theme);
    this.#area.onTheme((theme) => {
      this.#inspector.theme = theme;
      this.#panel.theme = theme;
    });
    this.#frame = this.#makeFrame(page);
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

  #makeFrame(page: HTMLElement): Frame {
    const { store } = this;
    const title = element('h1', { class: 'visually-hidden' }, t('Model'));
    store.on(['state'], () => {
      if (store.host.title && title.textContent !== store.host.title) title.textContent = store.host.title;
    });
    const parts = {
      title,
      bar: this.#bar.root,
      options: new PlanOptions(store, this.#actions).root,
      notices: new Notices(store, this.#actions).root,
      graph: this.#area.root,
      inspector: this.#inspector.root,
      panel: this.#panel.root,
      inspectorSlot: this.#panel.inspectorSlot,
    };
    return new Frame(page, parts, this.#remembered?.frame ?? {}, {
      changed: () => {
        this.#rememberLater();
        this.#tellFrameLater();
      },
      widened: () => {
        if (store.tab === 'inspector') store.setTab('layers');
      },
    });
  }

  #restoreLook(): void {
    const before = this.#remembered;
    this.#area.legend.root.open = before?.legend ?? false;
    this.#area.legend.root.addEventListener('toggle', () => this.#rememberLater());
    if (before) {
      this.store.mode = before.mode;
      this.store.tab = before.tab;
      this.store.emit('look', 'state', 'tab');
    }
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
        frame: this.#frame.state,
        legend: this.#area.legend.root.open,
      });
    }, REMEMBER_AFTER_MS);
  }

  /** The host hears of it when the splitter rests, and never of what it has said itself. */
  #tellFrameLater(): void {
    clearTimeout(this.#frameTimer);
    this.#frameTimer = setTimeout(() => {
      const { side, panel, panelShown, sideShown } = this.#frame.state;
      const text = JSON.stringify([side, panel, panelShown, sideShown]);
      if (this.#toldFrame !== '' && this.#toldFrame !== text)
        this.#host.send('graph/frame', { side, panel, panelShown, sideShown });
      this.#toldFrame = text;
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
      fit: () => void this.#arranger.fit().catch((error: unknown) => this.#report(error)),
      togglePin: (item, side) =>
        inTree((tree) => {
          const state = pinStates(store, item)[side];
          const { node } = tree.items[item];
          if (state && canPin(state))
            this.#host.send('graph/pin', { layer: tree.view.nodes[node].id, side, pinned: !state.pinned });
        }),
      help: () => this.#area.keys.open(),
      find: () => this.#area.find.open(),
      zoom: (factor) => this.viewport.zoomAt(factor, this.viewport.width / 2, this.viewport.height / 2),
      setMode: (mode) => store.setMode(mode),
      exportPicture: (format) => this.#export(format),
      want: (wish) => {
        store.planPending = true;
        this.#plans.want(wish);
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
      'graph/frame': (frame) => {
        // What this editor itself remembers is newer to whoever looks at it.
        if (!this.#remembered) this.#frame.adopt(frame);
      },
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
            this.#frame.showPanel(true);
            this.store.setTab(tab);
          },
          focusTarget: () => this.#bar.target.focus(),
          toggleInspector: () => this.#frame.showSide(!this.#frame.state.sideShown),
          toggleTables: () => this.#frame.showPanel(!this.#frame.state.panelShown),
        }),
    };
  }
}
