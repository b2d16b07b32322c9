/** What of a layer can be pinned, and what is. */
import type { Side } from '../../../src/protocol/graph-view.ts';
import type { Store } from './store.ts';

export interface PinState {
  readonly pinned: boolean;
  /** Why pinning it would change nothing. */
  readonly frozen: string | null;
}

/** By side of a layer; a side that is in no group, or of a node without input channels of its own, is not there. */
export function pinStates(store: Store, item: number): Partial<Record<Side, PinState>> {
  const { tree, groups, host } = store;
  const node = tree?.items[item]?.node ?? -1;
  if (!tree || !groups || node < 0 || tree.view.nodes[node].inWidth <= 0) return {};
  const { id } = tree.view.nodes[node];
  const of = (side: Side): Partial<Record<Side, PinState>> => {
    const own = groups.groupsOf(node, side);
    if (own.length === 0) return {};
    const pinned = host.settings.pins.some((pin) => pin.layer === id && (pin.side === side || pin.side === 'both'));
    return { [side]: { pinned, frozen: own.map((group) => groups.view.groups[group].frozen).find(Boolean) ?? null } };
  };
  return { ...of('out'), ...of('in') };
}

/** Whether pinning a side, or freeing it again, does something. */
export const canPin = (state: PinState | undefined): boolean =>
  state !== undefined && (state.pinned || state.frozen === null);
