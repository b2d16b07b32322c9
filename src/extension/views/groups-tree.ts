/** The Groups view: scopes → groups → layers of the active model, the accessible twin of the graph. */
import * as vscode from 'vscode';
import { formatCount } from '../../common/format.ts';
import type { GroupMemberView, GroupView } from '../../protocol/graph-view.ts';
import { scopeColor } from '../../protocol/scope-colors.ts';
import type { Pin } from '../../protocol/values.ts';
import type { ModelSession } from '../model/model-session.ts';
import type { ModelSessions } from '../model/model-sessions.ts';
import type { SelectionChange } from '../model/selected-nodes.ts';
import { visibleItem } from './visible-item.ts';

export type GroupsElement =
  | { readonly type: 'scope'; readonly scope: number }
  | { readonly type: 'frozen' }
  | { readonly type: 'group'; readonly group: number }
  | { readonly type: 'layer'; readonly group: number; readonly member: number };

/** Plans come with every step of a slider. */
const REFRESH_AFTER_MS = 500;

export class GroupsTree implements vscode.TreeDataProvider<GroupsElement>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<GroupsElement[] | undefined>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly view: vscode.TreeView<GroupsElement>;
  private readonly subscriptions: vscode.Disposable[];
  private session: ModelSession | undefined;
  private sessionSubscriptions: vscode.Disposable[] = [];
  /** Elements by their id: `reveal` wants the very objects that it was given. */
  private elements = new Map<string, GroupsElement>();
  /** What the rows that were asked for say, by their id. */
  private readonly told = new Map<string, string>();
  private revealing = false;
  private timer: NodeJS.Timeout | undefined;
  /** Pins that the rows show. */
  private pins: readonly Pin[] | undefined;

  constructor(sessions: ModelSessions) {
    this.view = vscode.window.createTreeView('espalier.groups', { treeDataProvider: this, showCollapseAll: true });
    this.subscriptions = [
      this.view,
      sessions.onDidChangeActive((session) => this.show(session)),
      this.view.onDidChangeSelection(({ selection }) => this.selected(selection)),
    ];
    this.show(sessions.active);
  }

  private show(session: ModelSession | undefined): void {
    for (const subscription of this.sessionSubscriptions) subscription.dispose();
    this.session = session;
    this.sessionSubscriptions = session
      ? [
          session.onDidChange((change) => {
            if (change.groups || change.phase) this.rebuild();
            else if (session.state.settings.pins !== this.pins) this.refreshRows();
            else if (change.plan) this.refreshLater();
          }),
          session.onDidSelect((selection) => void this.reveal(selection)),
        ]
      : [];
    this.rebuild();
  }

  /** While a slider moves, the workbench draws the graph; the tree follows when it rests. */
  private refreshLater(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refreshRows(), REFRESH_AFTER_MS);
  }

  /** Another model: all rows anew. */
  private rebuild(): void {
    clearTimeout(this.timer);
    this.pins = this.session?.state.settings.pins;
    this.elements.clear();
    this.told.clear();
    this.view.description = this.session?.state.title;
    this.changes.fire(undefined);
  }

  /** Another plan, other pins: only rows that say something else now, so that a row being opened meanwhile stays. */
  private refreshRows(): void {
    clearTimeout(this.timer);
    this.pins = this.session?.state.settings.pins;
    const changed = [...this.elements].flatMap(([id, element]) => {
      const told = this.told.get(id);
      return told !== undefined && told !== rowText(this.itemOf(element)) ? [element] : [];
    });
    if (changed.length) this.changes.fire(changed);
  }

  private element(made: GroupsElement): GroupsElement {
    const id = elementId(made);
    const known = this.elements.get(id) ?? made;
    this.elements.set(id, known);
    return known;
  }

  private get groups(): readonly GroupView[] {
    return this.session?.state.groups?.groups ?? [];
  }

  getChildren(element?: GroupsElement): GroupsElement[] {
    const view = this.session?.state.groups;
    if (!view) return [];
    const of = (group: number): GroupsElement => this.element({ type: 'group', group });
    if (!element) {
      const scopes = view.scopes.map((_, scope) => this.element({ type: 'scope', scope }));
      const frozen = view.groups.some((group) => group.scope < 0) ? [this.element({ type: 'frozen' })] : [];
      return [...scopes, ...frozen];
    }
    switch (element.type) {
      case 'scope':
        return view.scopes[element.scope].groups.map(of);
      case 'frozen':
        return view.groups.flatMap((group, index) => (group.scope < 0 ? [of(index)] : []));
      case 'group':
        return view.groups[element.group].members.map((_, member) =>
          this.element({ type: 'layer', group: element.group, member }),
        );
      case 'layer':
        return [];
    }
  }

  getParent(element: GroupsElement): GroupsElement | undefined {
    if (element.type === 'layer') return this.element({ type: 'group', group: element.group });
    if (element.type !== 'group') return undefined;
    const { scope } = this.groups[element.group];
    return this.element(scope < 0 ? { type: 'frozen' } : { type: 'scope', scope });
  }

  getTreeItem(element: GroupsElement): vscode.TreeItem {
    const item = visibleItem(this.itemOf(element));
    const id = elementId(element);
    item.id = `${this.session?.key}|${id}`;
    this.told.set(id, rowText(item));
    return item;
  }

  private itemOf(element: GroupsElement): vscode.TreeItem {
    const { Collapsed, None } = vscode.TreeItemCollapsibleState;
    switch (element.type) {
      case 'scope': {
        const scope = this.session!.state.groups!.scopes[element.scope];
        const item = new vscode.TreeItem(scope.name, Collapsed);
        const many = formatCount(scope.channels);
        item.description = `${groupCount(scope.groups.length)} · ${scope.kind === 'heads' ? vscode.l10n.t('{0} heads', many) : vscode.l10n.t('{0} channels', many)}`;
        item.tooltip = scope.label;
        item.iconPath = new vscode.ThemeIcon('symbol-namespace', scopeIconColor(element.scope));
        item.contextValue = 'scope';
        return item;
      }
      case 'frozen': {
        const item = new vscode.TreeItem(vscode.l10n.t('Not prunable'), Collapsed);
        item.description = groupCount(this.groups.filter((group) => group.scope < 0).length);
        item.iconPath = new vscode.ThemeIcon('lock');
        return item;
      }
      case 'group':
        return this.groupItem(element.group, Collapsed);
      case 'layer':
        return this.layerItem(this.groups[element.group].members[element.member], None);
    }
  }

  private groupItem(index: number, collapsible: vscode.TreeItemCollapsibleState): vscode.TreeItem {
    const group = this.groups[index];
    const item = new vscode.TreeItem(group.name, collapsible);
    const kept = this.session?.state.plan?.kept[index];
    const width = kept === undefined || kept === group.channels ? `${group.channels}` : `${group.channels} → ${kept}`;
    item.description = group.channelGroups > 1 ? `${width} × ${group.channelGroups}` : width;
    item.tooltip =
      group.frozen ??
      vscode.l10n.t('{0} channels in {1} layers', group.channels * group.channelGroups, group.members.length);
    item.iconPath = new vscode.ThemeIcon('link');
    item.contextValue = 'group';
    return item;
  }

  private layerItem(member: GroupMemberView, collapsible: vscode.TreeItemCollapsibleState): vscode.TreeItem {
    const id = this.layerId(member);
    const item = new vscode.TreeItem(id, collapsible);
    const side = member.side === 'out' ? vscode.l10n.t('outputs') : vscode.l10n.t('inputs');
    item.description = `${side} · ${member.channels}`;
    const pins = this.session?.state.settings.pins.filter((pin) => pin.layer === id) ?? [];
    const pinned = pins.some((pin) => pin.side === 'both' || pin.side === member.side);
    item.iconPath = new vscode.ThemeIcon(pinned ? 'pinned' : 'symbol-field');
    item.contextValue = pins.length ? 'layer pinned' : 'layer';
    item.accessibilityInformation = {
      label:
        vscode.l10n.t('{0}, {1}, {2} channels', id, side, member.channels) +
        (pinned ? `, ${vscode.l10n.t('pinned')}` : ''),
    };
    return item;
  }

  private layerId(member: GroupMemberView): string {
    return this.session?.state.view?.nodes[member.node].id ?? '';
  }

  /** The layers that an element stands for. */
  layersOf(element: GroupsElement): readonly string[] {
    if (element.type === 'layer') return [this.layerId(this.groups[element.group].members[element.member])];
    if (element.type === 'group') {
      return [...new Set(this.groups[element.group].members.map((member) => this.layerId(member)))];
    }
    return [];
  }

  private selected(selection: readonly GroupsElement[]): void {
    if (this.revealing || !this.session || selection.length === 0) return;
    this.selectInGraph(selection[0], false);
  }

  /** Selects in the graph what an element of this tree stands for. */
  selectInGraph(element: GroupsElement, reveal: boolean): void {
    const scope = element.type === 'scope' ? element.scope : null;
    const nodes = this.layersOf(element).slice(0, 1);
    this.session?.select({ nodes, scope }, this, reveal || element.type !== 'frozen');
  }

  private async reveal({ origin, nodes, scope }: SelectionChange): Promise<void> {
    if (origin === this || !this.view.visible) return;
    const element = this.elementOf(nodes, scope);
    if (!element) return;
    this.revealing = true;
    try {
      await this.view.reveal(element, { select: true, focus: false, expand: element.type === 'layer' ? false : 1 });
    } finally {
      this.revealing = false;
    }
  }

  private elementOf(nodes: readonly string[], scope: number | null): GroupsElement | undefined {
    if (scope !== null) return this.element({ type: 'scope', scope });
    const view = this.session?.state.view;
    if (!view || nodes.length === 0) return undefined;
    for (const side of ['out', 'in'] as const) {
      for (const [group, { members }] of this.groups.entries()) {
        const member = members.findIndex((m) => m.side === side && view.nodes[m.node].id === nodes[0]);
        if (member >= 0) return this.element({ type: 'layer', group, member });
      }
    }
    return undefined;
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const subscription of [...this.subscriptions, ...this.sessionSubscriptions]) subscription.dispose();
    this.changes.dispose();
  }
}

/** What of a row depends on the plan and the pins. */
const rowText = ({ description, contextValue, accessibilityInformation }: vscode.TreeItem): string =>
  [description, contextValue, accessibilityInformation?.label].join('\n');

const groupCount = (count: number): string =>
  count === 1 ? vscode.l10n.t('1 group') : vscode.l10n.t('{0} groups', count);

function elementId(element: GroupsElement): string {
  switch (element.type) {
    case 'scope':
      return `scope ${element.scope}`;
    case 'frozen':
      return 'frozen';
    case 'group':
      return `group ${element.group}`;
    case 'layer':
      return `group ${element.group} member ${element.member}`;
  }
}

const scopeIconColor = (scope: number): vscode.ThemeColor => new vscode.ThemeColor(scopeColor(scope));
