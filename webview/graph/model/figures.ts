/** The numbers on each box: widths, MACs and parameters before and after the plan, summed over what the box holds. */
import type { PlanView, ScoresView, SensitivityView } from '../../../src/protocol/graph-view.ts';
import type { Pin } from '../../../src/protocol/values.ts';
import { type GroupIndex, importances, valueScope } from './group-lookup.ts';
import { nodeKey, type Tree } from './tree.ts';

export interface Figures {
  /** Channels that leave it: of its value, or of the last value of a module. */
  readonly width: number;
  readonly keptWidth: number;
  readonly inWidth: number;
  readonly keptInWidth: number;
  /** Outputs of all layers in it that have weights. */
  readonly channels: number;
  readonly keptChannels: number;
  readonly macs: number;
  readonly keptMacs: number;
  readonly params: number;
  readonly keptParams: number;
  /** Scope of its outputs; −1 for modules and for what cannot be pruned. */
  readonly scope: number;
  /** 0 … 1 among its scope; undefined without scores. */
  readonly importance: number | undefined;
  /** How far the network's answers move when half of its group's channels go; undefined where that was not measured. */
  readonly sensitivity: number | undefined;
  /** The same as a share of the most sensitive group's, by its square root: 0 … 1. */
  readonly heat: number | undefined;
  readonly removed: boolean;
}

export interface Overlay {
  /** By item. */
  readonly figures: readonly Figures[];
  /** By node: scope of its value. */
  readonly scopes: readonly number[];
  /** By node: channels of its value and those kept. */
  readonly widths: readonly number[];
  readonly kept: readonly number[];
  /** Layers that the person pinned, by item: which sides. */
  readonly pins: ReadonlyMap<number, Pin['side']>;
  readonly planned: boolean;
}

const isUnder = (path: string, module: string): boolean => path === module || path.startsWith(`${module}.`);

/** Modules that the plan removes, by node. */
function removedNodes(tree: Tree, plan: PlanView | null): boolean[] {
  const removed = plan?.removed ?? [];
  if (!removed.length) return tree.view.nodes.map(() => false);
  return tree.view.nodes.map((node) => removed.some((path) => isUnder(tree.view.modules[node.module].path, path)));
}

/** A figure of groups, for each node: that of the first of its groups that has one, of its outputs first. */
function byNode(
  tree: Tree,
  index: GroupIndex | null,
  byGroup: readonly (number | undefined)[] | undefined,
): (number | undefined)[] {
  if (!index || !byGroup) return tree.view.nodes.map(() => undefined);
  return tree.view.nodes.map((_, node) => {
    const groups = [...index.groupsOf(node, 'out'), ...index.groupsOf(node, 'in')];
    return groups.map((group) => byGroup[group]).find((value) => value !== undefined);
  });
}

/** Computes all figures; a millisecond or two for the largest networks, so that it can follow a slider. */
export function overlayOf(
  tree: Tree,
  index: GroupIndex | null,
  measured: { readonly scores?: ScoresView | null; readonly sensitivity?: SensitivityView | null },
  plan: PlanView | null,
  pinned: readonly Pin[] = [],
): Overlay {
  const { nodes } = tree.view;
  const scopes = nodes.map((_, node) => (index ? valueScope(index, node) : -1));
  const widths = nodes.map((node) => node.width);
  const removed = removedNodes(tree, plan);
  const kept = widths.map((width, node) => (removed[node] ? 0 : (plan?.widths[node] ?? width)));
  const { scores, sensitivity } = measured;
  const importance = byNode(tree, index, (index && scores && importances(index.view, scores)) ?? undefined);
  const moved = byNode(
    tree,
    index,
    sensitivity?.groups.map((curve) => curve?.errors[curve.errors.length >> 1]),
  );
  const most = Math.max(0, ...moved.map((value) => value ?? 0)) || 1;
  const figures = tree.items.map((item): Figures => {
    let [macs, keptMacs, params, keptParams, channels, keptChannels] = [0, 0, 0, 0, 0, 0];
    for (const node of item.nodes) {
      const { macs: m, params: p, inWidth, width } = nodes[node];
      macs += m;
      params += p;
      if (inWidth) channels += width;
      if (removed[node]) continue;
      keptMacs += plan?.macs[node] ?? m;
      keptParams += plan?.params[node] ?? p;
      if (inWidth) keptChannels += kept[node];
    }
    const last = item.nodes[item.nodes.length - 1] ?? 0;
    const leaf = item.node >= 0;
    return {
      width: widths[last] ?? 0,
      keptWidth: kept[last] ?? 0,
      inWidth: leaf ? nodes[item.node].inWidth : 0,
      keptInWidth: leaf ? (plan?.inWidths[item.node] ?? nodes[item.node].inWidth) : 0,
      channels,
      keptChannels,
      macs,
      keptMacs,
      params,
      keptParams,
      scope: leaf && index ? (scopeOfLayer(index, item.node) ?? scopes[item.node]) : -1,
      importance: leaf ? importance[item.node] : undefined,
      sensitivity: leaf ? moved[item.node] : undefined,
      heat: leaf && moved[item.node] !== undefined ? Math.sqrt((moved[item.node] as number) / most) : undefined,
      removed: item.nodes.length > 0 && item.nodes.every((node) => removed[node]),
    };
  });
  return { figures, scopes, widths, kept, pins: pinnedItems(tree, pinned), planned: plan !== null };
}

/** Sides of every pinned layer; two pins of one layer are both. */
function pinnedItems(tree: Tree, pins: readonly Pin[]): ReadonlyMap<number, Pin['side']> {
  const found = new Map<number, Pin['side']>();
  for (const { layer, side } of pins) {
    const item = tree.byKey.get(nodeKey(layer));
    if (item === undefined) continue;
    const known = found.get(item);
    found.set(item, known && known !== side ? 'both' : side);
  }
  return found;
}

function scopeOfLayer(index: GroupIndex, node: number): number | undefined {
  return index
    .groupsOf(node, 'out')
    .map((group) => index.view.groups[group].scope)
    .find((scope) => scope >= 0);
}
