/** What the editor knows and how it is looked at; parts of the page listen to the topics that concern them. */
import { type GraphEditorState, UNREAD_MODEL } from '../../../src/protocol/graph-editor.ts';
import type { Pin } from '../../../src/protocol/values.ts';
import type { Layout } from '../layout/types.ts';
import { firstExpansion } from './expansion.ts';
import { type Overlay, overlayOf } from './figures.ts';
import { type GroupIndex, groupsOnto, indexGroups } from './group-lookup.ts';
import { badges, type Highlight, highlightOf, NOTHING, type Selection } from './selection.ts';
import { buildTree, type Tree } from './tree.ts';

/**
 * `model`: another tree. `layout`: boxes moved. `figures`: groups, scores or plan changed. `selection`. `state`: anything
 * else of the host's. `look`: hover, focus, mode or theme. `tab`.
 */
export type Topic = 'model' | 'layout' | 'figures' | 'selection' | 'state' | 'look' | 'tab';

/** What the tint of a layer says. */
export type Tint = 'scores' | 'sensitivity';

export type Mode = 'dense' | 'split' | 'pruned';

/** One model on screen: the dense one or the pruned one. */
export interface Scene {
  readonly tree: Tree;
  readonly layout: Layout;
  readonly overlay: Overlay;
  readonly mode: 'dense' | 'pruned';
}

/** Settings come anew with every message: what counts is what they say. */
const samePins = (a: readonly Pin[], b: readonly Pin[]): boolean =>
  a.length === b.length && a.every(({ layer, side }, i) => layer === b[i].layer && side === b[i].side);

const NO_HIGHLIGHT: Highlight = { groups: [], members: new Set(), values: new Set() };

export class Store {
  host: GraphEditorState = UNREAD_MODEL;
  tree: Tree | null = null;
  groups: GroupIndex | null = null;
  overlay: Overlay | null = null;
  layout: Layout | null = null;
  /** The pruned model's own tree and layout, once it was written. */
  prunedTree: Tree | null = null;
  /** The dense model's groups on its layers. */
  prunedGroups: GroupIndex | null = null;
  prunedOverlay: Overlay | null = null;
  prunedLayout: Layout | null = null;
  open: ReadonlySet<string> = new Set();
  selection: Selection = NOTHING;
  highlight: Highlight = NO_HIGHLIGHT;
  badges: ReadonlyMap<number, number> = new Map();
  /** Item that the arrow keys start from. */
  focus = -1;
  /** The graph has the keyboard: the item is marked. */
  keyboard = false;
  hover = -1;
  /** A plan was asked for and has not come yet. */
  planPending = false;
  mode: Mode = 'dense';
  tint: Tint = 'scores';
  tab: 'inspector' | 'layers' | 'scopes' | 'plan' = 'layers';
  readonly #listeners = new Map<Topic, Set<() => void>>();

  on(topics: readonly Topic[], listener: () => void): void {
    for (const topic of topics) {
      if (!this.#listeners.has(topic)) this.#listeners.set(topic, new Set());
      this.#listeners.get(topic)?.add(listener);
    }
  }

  /** Calls every listener of the topics once. */
  emit(...topics: Topic[]): void {
    const called = new Set<() => void>();
    for (const topic of topics) for (const listener of this.#listeners.get(topic) ?? []) called.add(listener);
    for (const listener of called) listener();
  }

  /** Takes over what the host says. Returns whether the model is another one. */
  update(change: Partial<GraphEditorState>, remembered: readonly string[] | undefined): boolean {
    const before = this.host;
    this.host = { ...before, ...change };
    const topics: Topic[] = ['state'];
    const another = this.host.view !== before.view;
    if (another) {
      this.#takeModel(remembered);
      topics.push('model', 'selection');
    }
    if (this.host.pruned !== before.pruned) {
      this.prunedTree = this.host.pruned && buildTree(this.host.pruned);
      this.prunedLayout = null;
      topics.push('look');
    }
    if (another || this.host.groups !== before.groups) {
      this.groups = this.host.groups && indexGroups(this.host.groups);
      this.#light();
      topics.push('selection');
    }
    if (another || this.host.pruned !== before.pruned || this.host.groups !== before.groups) this.#groupPruned();
    if (!before.sensitivity !== !this.host.sensitivity) this.tint = this.host.sensitivity ? 'sensitivity' : 'scores';
    const figures =
      another ||
      (['groups', 'scores', 'sensitivity', 'plan'] as const).some((key) => this.host[key] !== before[key]) ||
      !samePins(this.host.settings.pins, before.settings.pins);
    if (figures) {
      const { scores, sensitivity, plan, settings } = this.host;
      this.overlay = this.tree && overlayOf(this.tree, this.groups, { scores, sensitivity }, plan, settings.pins);
      topics.push('figures');
    }
    this.emit(...topics);
    return another;
  }

  /** Scopes have their colours, and groups light up, in the pruned model too. */
  #groupPruned(): void {
    const { view, groups, pruned } = this.host;
    this.prunedGroups = view && groups && pruned ? indexGroups(groupsOnto(groups, view, pruned)) : null;
    this.prunedOverlay = this.prunedTree && overlayOf(this.prunedTree, this.prunedGroups, {}, null);
  }

  #takeModel(remembered: readonly string[] | undefined): void {
    this.tree = this.host.view && buildTree(this.host.view);
    this.groups = null;
    this.layout = null;
    this.selection = NOTHING;
    this.focus = -1;
    this.hover = -1;
    const tree = this.tree;
    if (!tree) this.open = new Set();
    else this.open = remembered ? new Set(remembered.filter((key) => tree.byKey.has(key))) : firstExpansion(tree);
  }

  #light(): void {
    this.highlight = this.tree ? highlightOf(this.tree, this.groups, this.selection) : NO_HIGHLIGHT;
    this.badges = this.tree ? badges(this.tree, this.open, this.highlight) : new Map();
  }

  select(selection: Selection): void {
    this.selection = selection;
    this.#light();
    this.emit('selection');
  }

  /** Boxes have been laid out for this set of open items. */
  show(layout: Layout, open: ReadonlySet<string>, prunedLayout: Layout | null): void {
    this.layout = layout;
    this.prunedLayout = prunedLayout;
    this.open = open;
    this.#light();
    this.emit('layout', 'selection');
  }

  setHover(item: number): void {
    if (this.hover === item) return;
    this.hover = item;
    this.emit('look');
  }

  setFocus(item: number): void {
    if (this.focus === item) return;
    this.focus = item;
    this.emit('look');
  }

  setKeyboard(keyboard: boolean): void {
    this.keyboard = keyboard;
    this.emit('look');
  }

  setMode(mode: Mode): void {
    this.mode = mode;
    this.emit('look', 'state');
  }

  setTint(tint: Tint): void {
    this.tint = tint;
    this.emit('look', 'state');
  }

  setTab(tab: Store['tab']): void {
    this.tab = tab;
    this.emit('tab');
  }

  /** Whether the written model is what the plan says: after the target moved on, the plan is drawn again. */
  #prunedIsCurrent(): boolean {
    const { plan, pruned, prunedFor } = this.host;
    if (!plan || !pruned) return pruned !== null;
    const planned = prunedFor ?? pruned.cost.macs;
    return Math.abs(plan.after.macs - planned) <= 0.001 * planned;
  }

  /** What the left or only pane draws, and what the right one draws; null while there is nothing. */
  scene(mode: 'dense' | 'pruned'): Scene | null {
    if (mode === 'pruned' && this.#prunedIsCurrent() && this.prunedTree && this.prunedLayout && this.prunedOverlay)
      return { tree: this.prunedTree, layout: this.prunedLayout, overlay: this.prunedOverlay, mode: 'dense' };
    if (!this.tree || !this.layout || !this.overlay) return null;
    if (mode === 'pruned' && !this.host.plan) return null;
    return { tree: this.tree, layout: this.layout, overlay: this.overlay, mode };
  }
}
