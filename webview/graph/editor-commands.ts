/** Commands of the palette and of menus, as the host sends them. */
import type { GraphEditorCommand } from '../../src/protocol/graph-editor.ts';
import type { Side } from '../../src/protocol/graph-view.ts';
import type { Actions } from './actions.ts';
import type { Store } from './model/store.ts';

export interface CommandPlaces {
  showTab(tab: Store['tab']): void;
  focusTarget(): void;
  toggleInspector(): void;
  toggleTables(): void;
}

export function runCommand(command: GraphEditorCommand, store: Store, actions: Actions, places: CommandPlaces): void {
  const { tree, open } = store;
  const { item } = store.selection;
  const isOpen = open.has(tree?.items[item]?.key ?? '');
  const pin = (side: Side): void => {
    const node = tree?.items[item]?.node ?? -1;
    const layer = node >= 0 ? tree?.view.nodes[node].id : undefined;
    if (layer) actions.send('graph/pin', { layer, side, pinned: true });
  };
  const commands: { readonly [C in GraphEditorCommand]: () => void } = {
    fit: actions.fit,
    find: actions.find,
    expandAll: actions.expandAll,
    collapseAll: actions.collapseAll,
    expand: () => !isOpen && actions.toggle(item, false),
    collapse: () => isOpen && actions.toggle(item, false),
    expandSame: () => actions.toggle(item, true),
    selectGroup: () => actions.select(item, { scope: false, tell: true }),
    showKeys: actions.help,
    toggleInspector: places.toggleInspector,
    toggleTables: places.toggleTables,
    selectScope: () => actions.select(item, { scope: true, tell: true }),
    pinOutputs: () => pin('out'),
    pinInputs: () => pin('in'),
    exportSvg: () => actions.exportPicture('svg'),
    exportPng: () => actions.exportPicture('png'),
    showDense: () => actions.setMode('dense'),
    showSplit: () => actions.setMode('split'),
    showPruned: () => actions.setMode('pruned'),
    focusTarget: places.focusTarget,
    showLayers: () => places.showTab('layers'),
    showScopes: () => places.showTab('scopes'),
    showPlan: () => places.showTab('plan'),
  };
  // The host may be newer than this page.
  commands[command]?.();
}
