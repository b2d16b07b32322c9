/** The graph's place on the page: panes, accessible tree, search, legend, tooltip, and what is said while it is empty. */

import { button, progressRing } from '../../shared/controls.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import { readTheme, type Theme, watchTheme } from '../draw/theme.ts';
import { canPin, pinStates } from '../model/pinnable.ts';
import type { Store } from '../model/store.ts';
import { AccessibleTree } from './accessible-tree.ts';
import { Find } from './find.ts';
import { listenToKeys } from './keyboard.ts';
import { KeysHelp } from './keys-help.ts';
import { Legend } from './legend.ts';
import { Overview } from './overview.ts';
import { Pane } from './pane.ts';
import { Tooltip } from './tooltip.ts';
import type { Viewport } from './viewport.ts';

export class GraphArea {
  readonly root: HTMLElement;
  readonly find: Find;
  readonly legend: Legend;
  readonly keys = new KeysHelp(() => this.focus());
  readonly #overview: Overview;
  readonly panes: { readonly dense: Pane; readonly pruned: Pane };
  readonly #tree: AccessibleTree;
  readonly #tooltip = new Tooltip();
  readonly #message: HTMLElement;
  readonly #prunedHint: HTMLElement;
  readonly #store: Store;
  readonly #viewport: Viewport;
  readonly #actions: Actions;
  readonly #themeListeners: ((theme: Theme) => void)[] = [];
  theme: Theme;

  constructor(store: Store, viewport: Viewport, actions: Actions) {
    this.#store = store;
    this.#viewport = viewport;
    this.#actions = actions;
    this.theme = readTheme();
    this.panes = { dense: this.#pane('dense'), pruned: this.#pane('pruned') };
    this.#prunedHint = element(
      'div',
      { class: 'pane-hint muted' },
      t('No plan yet. Set a target: what is left of the network stands here.'),
    );
    this.panes.pruned.root.append(this.#prunedHint);
    this.#message = element('div', { class: 'message', role: 'status' });
    this.find = new Find(
      store,
      (item) => actions.select(item, { reveal: true, tell: true }),
      () => this.focus(),
    );
    this.legend = new Legend(store, this.theme, (scope) =>
      actions.select(store.selection.item, { scope: store.selection.scope === scope ? false : scope, tell: true }),
    );
    this.#overview = new Overview(store, viewport, this.theme);
    this.#tree = new AccessibleTree(store, this.panes.dense.root, this.panes.pruned.root);
    this.root = element(
      'section',
      { class: 'graph-area', 'aria-label': t('Graph') },
      this.#tree.root,
      this.legend.root,
      this.find.root,
      this.#overview.root,
      this.#message,
      this.#tooltip.root,
      this.keys.root,
    );
    this.#listen();
    this.#layoutPanes();
    this.#say();
  }

  #pane(which: 'dense' | 'pruned'): Pane {
    return new Pane(which, this.#store, this.#viewport, this.theme, {
      select: (item, scope) => this.#choose(item, scope),
      toggle: (item, alike) => this.#actions.toggle(item, alike),
      clear: () => this.#actions.select(-1, { tell: true }),
      // Groups count the dense model's channels: of the pruned one they would say too many.
      hover: (hit, scene, x, y) =>
        this.#tooltip.hover(hit, scene, scene.tree === this.#store.tree ? this.#store.groups : null, x, y),
    });
  }

  #choose(item: number, scope: boolean): void {
    this.#tooltip.hide();
    this.#store.setFocus(item);
    this.#actions.select(item, { scope, tell: true });
    this.focus();
  }

  focus(): void {
    this.#tree.root.focus({ preventScroll: true });
  }

  invalidate(): void {
    this.panes.dense.invalidate();
    this.panes.pruned.invalidate();
  }

  onTheme(listener: (theme: Theme) => void): void {
    this.#themeListeners.push(listener);
  }

  #listen(): void {
    const { panes } = this;
    this.#store.on(['layout', 'figures', 'selection', 'look', 'model'], () => this.invalidate());
    this.#store.on(['model'], () => {
      panes.dense.forget();
      panes.pruned.forget();
    });
    this.#store.on(['state', 'look', 'layout', 'model'], () => {
      this.#layoutPanes();
      this.#say();
    });
    this.#store.on(['look', 'selection', 'model', 'state'], () => this.#contextMenu());
    this.#viewport.onChange(() => {
      this.#tooltip.hide();
      this.invalidate();
    });
    watchTheme(() => {
      this.theme = readTheme();
      panes.dense.theme = this.theme;
      panes.pruned.theme = this.theme;
      this.legend.theme = this.theme;
      this.#overview.theme = this.theme;
      for (const listener of this.#themeListeners) listener(this.theme);
    });
    listenToKeys(this.#tree.root, this.#store, {
      focusItem: (item) => {
        this.#store.setFocus(item);
        const box = this.#store.layout?.boxes.find((placed) => placed.item === item);
        if (box) this.#viewport.reveal(box);
      },
      select: (item, scope) => this.#actions.select(item, { scope, tell: true }),
      toggle: (item, alike) => this.#actions.toggle(item, alike),
      clear: () => this.#actions.select(-1, { tell: true }),
      pin: (item, side) => this.#actions.togglePin(item, side),
      help: () => this.keys.open(),
      find: () => this.find.open(),
      fit: () => this.#actions.fit(),
      zoom: (factor) => this.#actions.zoom(factor),
      pan: (dx, dy) => this.#viewport.pan(dx, dy),
    });
    this.#tree.root.addEventListener('focus', () => {
      this.#store.setKeyboard(true);
      const first = this.#store.selection.item >= 0 ? this.#store.selection.item : this.#store.layout?.boxes[0]?.item;
      if (this.#store.focus < 0 && first !== undefined && this.#tree.root.matches(':focus-visible'))
        this.#store.setFocus(first);
    });
    this.#tree.root.addEventListener('blur', () => this.#store.setKeyboard(false));
  }

  #layoutPanes(): void {
    const { mode } = this.#store;
    this.panes.dense.root.hidden = mode === 'pruned';
    this.panes.pruned.root.hidden = mode === 'dense';
    this.#prunedHint.hidden = this.#store.layout === null || this.#store.scene('pruned') !== null;
    this.#tree.root.dataset.mode = mode;
  }

  /** Layers can be pinned from VS Code's context menu: it reads what was clicked from this attribute. */
  #contextMenu(): void {
    const { tree, selection } = this.#store;
    const item = tree?.items[selection.item];
    const layer = item && item.node >= 0 ? tree?.view.nodes[item.node].id : undefined;
    const { out, in: into } = pinStates(this.#store, selection.item);
    // Keys of this object are what the menu's entries ask for.
    this.#tree.root.dataset.vscodeContext = JSON.stringify({
      webviewSection: layer ? 'layer' : 'graph',
      layer,
      espalierGroup: this.#store.highlight.groups.length > 0,
      espalierPinOutputs: canPin(out) && !out?.pinned,
      espalierPinInputs: canPin(into) && !into?.pinned,
      espalierPinned: Boolean(out?.pinned || into?.pinned),
      preventDefaultContextMenuItems: true,
    });
  }

  #say(): void {
    const { host, layout } = this.#store;
    const showing = host.phase === 'ready' && layout !== null;
    this.#message.hidden = showing;
    if (showing) return;
    if (host.phase === 'failed') {
      const again = button(t('Read Again'), {
        look: 'secondary',
        onClick: () => this.#actions.send('graph/run', 'retry'),
      });
      this.#message.replaceChildren(
        element('h2', {}, t('{0} could not be read', host.title)),
        ...failure(host.message),
        again,
      );
      return;
    }
    const text = host.message || t('Reading {0}…', host.title || t('the model'));
    if (this.#message.dataset.text === text && this.#message.childElementCount) return;
    this.#message.dataset.text = text;
    this.#message.replaceChildren(progressRing(text), element('p', {}, text));
  }
}

/** What went wrong in a sentence; whatever else is known of it is there for those who ask. */
function failure(message: string): Node[] {
  const [sentence, ...more] = message.split('\n');
  if (more.length === 0) return [element('p', {}, sentence)];
  return [
    element('p', {}, sentence),
    element('details', {}, element('summary', {}, t('More')), element('p', { class: 'muted' }, more.join('\n'))),
  ];
}
