/** What is known of the selected layer or module; of the whole model when nothing is selected. */

import { formatLocalInteger, formatRoughPercent } from '../../../src/common/format.ts';
import type { Side } from '../../../src/protocol/graph-view.ts';
import { checkbox } from '../../shared/controls.ts';
import { COST_UNIT } from '../../shared/cost.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { onceAFrame } from '../../shared/once-a-frame.ts';
import type { Actions } from '../actions.ts';
import type { Theme } from '../draw/theme.ts';
import { change, countChange, macsChange, roughFigure, titleOf, typeOf } from '../model/describe.ts';
import { countAlike } from '../model/expansion.ts';
import { pinStates } from '../model/pinnable.ts';
import { groupsFor } from '../model/selection.ts';
import type { Store } from '../model/store.ts';
import type { Tree } from '../model/tree.ts';
import { groupSection, scopeSection } from './group-section.ts';
import { facts, link, section } from './inspector-parts.ts';
import { type DetailsState, parameterSection } from './parameters.ts';

const GROUPS_SHOWN = 3;

export class Inspector {
  readonly root: HTMLElement;
  readonly #store: Store;
  readonly #actions: Actions;
  #theme: Theme;
  #details: DetailsState | null = null;
  readonly #later = onceAFrame(() => this.#render());

  constructor(store: Store, actions: Actions, theme: Theme) {
    this.#store = store;
    this.#actions = actions;
    this.#theme = theme;
    this.root = element('aside', { class: 'inspector', 'aria-label': t('Inspector'), tabindex: -1 });
    store.on(['model', 'selection'], () => {
      if (this.#details && this.#details.node !== this.#selectedNode()) this.#details = null;
      this.#later();
    });
    store.on(['figures', 'state'], () => this.#later());
    this.#render();
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    this.#later();
  }

  /** Takes statistics that were asked for. */
  show(details: DetailsState): void {
    if (details.node !== this.#selectedNode()) return;
    this.#details = details;
    this.#later();
  }

  #selectedNode(): string | undefined {
    const { tree, selection } = this.#store;
    const node = tree?.items[selection.item]?.node ?? -1;
    return node >= 0 ? tree?.view.nodes[node].id : undefined;
  }

  #render(): void {
    const { tree, selection } = this.#store;
    const focused = this.#controls().indexOf(document.activeElement as HTMLElement);
    const content = !tree ? [] : selection.item > 0 ? this.#item(tree, selection.item) : this.#model(tree);
    this.root.replaceChildren(...content);
    // The control that had the focus is found again by its place.
    if (focused >= 0) (this.#controls()[focused] ?? this.root).focus();
  }

  #controls(): HTMLElement[] {
    return [...this.root.querySelectorAll<HTMLElement>('button, vscode-checkbox, input')];
  }

  #model(tree: Tree): Node[] {
    const { host, groups } = this.#store;
    const { view } = tree;
    const after = host.plan?.after ?? view.cost;
    const rows: [string, string][] = [
      [COST_UNIT, macsChange(view.cost.macs, after.macs)],
      [t('{0}, true widths', COST_UNIT), macsChange(view.cost.macsTrue, after.macsTrue)],
      [t('Parameters'), countChange(view.cost.params, after.params)],
      [t('Image'), view.input.join('×')],
      view.classes
        ? [t('Classes'), formatLocalInteger(view.classes)]
        : [t('Outputs'), formatLocalInteger(view.outputs.length)],
    ];
    if (groups) {
      const prunable = groups.view.groups.filter(({ scope }) => scope >= 0).length;
      rows.push([t('Groups'), t('{0}, {1} of them can be pruned', groups.view.groups.length, prunable)]);
      rows.push([t('Scopes'), formatLocalInteger(groups.view.scopes.length)]);
    }
    if (host.scores) rows.push([t('Scores'), host.scores.label]);
    if (host.sensitivity) rows.push([t('Sensitivity'), host.sensitivity.label]);
    return [
      element('h2', {}, view.name),
      facts(rows),
      element('p', { class: 'muted' }, t('Select a layer to see what hangs together with it.')),
    ];
  }

  #item(tree: Tree, index: number): Node[] {
    const { overlay } = this.#store;
    const item = tree.items[index];
    const f = overlay?.figures[index];
    const heading = element(
      'header',
      { class: 'inspector-head' },
      element('h2', {}, titleOf(tree, index)),
      element('span', { class: 'muted' }, typeOf(tree, index)),
    );
    if (!f) return [heading];
    const rows: [string, string][] = [];
    if (f.width > 0) rows.push([t('out'), change(f.width, f.keptWidth)]);
    if (f.inWidth > 0) rows.push([t('in'), change(f.inWidth, f.keptInWidth)]);
    if (f.macs > 0) {
      const share = formatRoughPercent(f.macs / Math.max(1, tree.view.cost.macs));
      rows.push([COST_UNIT, `${macsChange(f.macs, f.keptMacs)} (${share})`]);
    }
    if (f.params > 0) rows.push([t('Parameters'), countChange(f.params, f.keptParams)]);
    if (f.importance !== undefined)
      rows.push([t('Importance'), t('median above {0} of its scope', formatRoughPercent(f.importance))]);
    if (f.sensitivity !== undefined)
      rows.push([t('Sensitivity'), t('{0} with half of its channels', roughFigure(f.sensitivity))]);
    if (item.node < 0) return [heading, facts(rows), ...this.#module(tree, index)];
    const node = tree.view.nodes[item.node];
    rows.push([t('Shape'), node.shape.map((d) => (d < 0 ? 'N' : d)).join('×')]);
    return [heading, facts(rows), ...this.#groups(tree, index, item.node), ...this.#attributes(tree, item.node)];
  }

  #module(tree: Tree, index: number): Node[] {
    const alike = countAlike(tree, index);
    const { open } = this.#store;
    const isOpen = open.has(tree.items[index].key);
    const actions: Node[] = [link(isOpen ? t('Close it') : t('Open it'), () => this.#actions.toggle(index, false))];
    if (alike > 1)
      actions.push(
        link(isOpen ? t('Close all {0} of equal structure', alike) : t('Open all {0} of equal structure', alike), () =>
          this.#actions.toggle(index, true),
        ),
      );
    return [section(t('Module'), ...actions)];
  }

  #groups(tree: Tree, index: number, node: number): Node[] {
    const { groups, selection } = this.#store;
    if (!groups) return [];
    const found = groupsFor(groups, node, selection.side);
    if (!found.length)
      return [section(t('Group'), element('p', { class: 'muted' }, t('Nothing of it can be pruned.')))];
    const context = { store: this.#store, actions: this.#actions, theme: this.#theme, tree, index: groups };
    const sections: (Node | '')[] = [];
    for (const [i, group] of found.slice(0, GROUPS_SHOWN).entries()) {
      sections.push(groupSection(context, { item: index, node, group, place: i, of: found.length }));
      sections.push(scopeSection(context, index, group));
    }
    return [...sections.filter((part): part is Node => part !== ''), ...this.#pins(tree, node)];
  }

  #pins(tree: Tree, node: number): Node[] {
    const { id } = tree.view.nodes[node];
    const states = pinStates(this.#store, tree.itemOfNode[node]);
    const box = (side: Side, label: string): HTMLElement | '' => {
      const state = states[side];
      if (!state) return '';
      const { pinned, frozen } = state;
      const made = checkbox(label, pinned, (checked) => {
        if (checked !== pinned) this.#actions.send('graph/pin', { layer: id, side, pinned: checked });
      });
      if (frozen && !pinned) {
        made.disabled = true;
        made.title = frozen;
      }
      return made;
    };
    const boxes = [box('out', t('pin outputs')), box('in', t('pin inputs'))].filter((made) => made !== '');
    return boxes.length ? [section(t('Keep'), element('div', { class: 'pins' }, ...boxes))] : [];
  }

  #attributes(tree: Tree, node: number): Node[] {
    const { attributes, parameters, id } = tree.view.nodes[node];
    const parts: (Node | '')[] = [
      parameterSection(parameters, this.#details, () => {
        this.#details = { node: id, details: null, problem: '' };
        this.#actions.send('graph/details', { node: id });
        this.#later();
      }),
      attributes.length ? section(t('Attributes'), facts(attributes)) : '',
    ];
    return parts.filter((part): part is Node => part !== '');
  }
}
