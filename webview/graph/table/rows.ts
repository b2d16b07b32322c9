/** Rows of the tables: layers with weights, and scopes. */
import type { GraphEditorState } from '../../../src/protocol/graph-editor.ts';
import type { Overlay } from '../model/figures.ts';
import type { GroupIndex } from '../model/group-lookup.ts';
import type { Tree } from '../model/tree.ts';

export interface LayerRow {
  readonly item: number;
  readonly name: string;
  readonly type: string;
  /** −1 when its outputs cannot be pruned. */
  readonly scope: number;
  /** '' when they cannot. */
  readonly scopeName: string;
  readonly width: number;
  readonly kept: number;
  readonly macs: number;
  readonly keptMacs: number;
  readonly params: number;
  /** Share of its scope's scores that lie below its median, 0 … 1. */
  readonly importance: number | undefined;
  readonly sensitivity: number | undefined;
  readonly heat: number | undefined;
}

export function layerRows(tree: Tree, overlay: Overlay, groups: GroupIndex | null): LayerRow[] {
  return tree.view.nodes.flatMap((node, index) => {
    if (node.inWidth <= 0) return [];
    const item = tree.itemOfNode[index];
    const f = overlay.figures[item];
    return [
      {
        item,
        name: node.id,
        type: node.label,
        scope: f.scope,
        scopeName: groups?.view.scopes[f.scope]?.name ?? '',
        width: f.width,
        kept: f.keptWidth,
        macs: f.macs,
        keptMacs: f.keptMacs,
        params: f.params,
        importance: f.importance,
        sensitivity: f.sensitivity,
        heat: f.heat,
      },
    ];
  });
}

export interface ScopeRow {
  readonly scope: number;
  readonly name: string;
  readonly label: string;
  readonly kind: string;
  readonly groups: number;
  readonly channels: number;
  readonly kept: number;
  readonly threshold: number | null;
}

export function scopeRows(index: GroupIndex, host: GraphEditorState): ScopeRow[] {
  return index.view.scopes.map((view, scope) => ({
    scope,
    name: view.name,
    label: view.label,
    kind: view.kind,
    groups: view.groups.length,
    channels: view.channels,
    kept: host.plan
      ? view.groups.reduce((sum, group) => sum + (host.plan?.kept[group] ?? index.view.groups[group].channels), 0)
      : view.channels,
    threshold: host.plan?.thresholds[scope] ?? null,
  }));
}
