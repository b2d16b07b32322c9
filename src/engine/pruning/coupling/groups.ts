/** What coupling finds: the channels of a network that must go together, and where each of them stands. */
import type { Graph, ValueId } from '../../graph/graph.ts';
import type { LayerKind } from '../../graph/operations.ts';
import type { FrozenReason } from './factors.ts';

export type LeafId = number;
export type SetId = number;
export type GroupId = number;
type HeadsId = number;
export type Side = 'out' | 'in';

/** A factor that is not refined further. */
export interface Leaf {
  /** −1 for the batch. */
  readonly size: number;
  /** First of its indices in `setOf` and `positionOf`; −1 for structure (positions, kernels), which has none. */
  readonly base: number;
  readonly frozen?: FrozenReason;
  /** Sets that have indices here, and how many each of their entries has. */
  readonly sets: readonly { readonly set: SetId; readonly multiplicity: number }[];
}

/** Classes of indices that lie in the same places: they can be kept or removed one by one. */
export interface IndexSet {
  readonly id: SetId;
  readonly size: number;
  readonly leaves: readonly LeafId[];
  readonly frozen?: FrozenReason;
}

/** One dimension of one parameter. */
export interface Axis {
  readonly parameter: string;
  readonly dimension: number;
  readonly leaves: readonly LeafId[];
}

/** Layers, with depthwise convolutions apart, and parameters that are no layer's. */
export type MemberKind = LayerKind | 'depthwise' | 'bare';

/** A layer that loses entries with the group. */
export interface Member {
  /** Module path of the layer; the state-dict name of a bare parameter. */
  readonly layer: string;
  readonly side: Side;
  /** What kind of layer: the criteria treat them differently. */
  readonly kind: MemberKind;
  readonly axis: Axis;
  /** Entries of the layer's axis that belong to the group: 3 × 192 for `qkv`. */
  readonly count: number;
}

/** One dimension of a group's channels: a set whose entries can go, or groups of a convolution, which stay. */
export interface SpaceEntry {
  readonly size: number;
  readonly leaves: readonly LeafId[];
  readonly set?: SetId;
}

/** A coupled group. Its channels are the entries of `space`, row-major: heads × head_dim, or channels alone. */
export interface Group {
  readonly id: GroupId;
  /** First layer in Graph order whose output is in the group; else the first that takes it in. */
  readonly root: string;
  /** `in` where no layer of the network puts it out: the image's channels. */
  readonly side: Side;
  /** Which of several groups of this root and side it is, from 0; absent for the first. */
  readonly part?: number;
  readonly members: readonly Member[];
  readonly space: readonly SpaceEntry[];
  /** All entries of `space`. */
  readonly channels: number;
  /** Heads, or groups of a convolution: 1 where channels stand alone. */
  readonly channelGroups: number;
  /** Entries that can go one by one: channels / channelGroups. */
  readonly width: number;
  /** The set of those entries; undefined where only whole heads can go. */
  readonly dims?: SetId;
  /** The heads that these channels belong to, for attention. */
  readonly heads?: HeadsId;
  /** Row of the root layer for each entry of `dims`, where they are not simply 0, 1, 2 …: the padded part of a stage. */
  readonly rows?: readonly number[];
  /** Why it cannot be pruned. */
  readonly frozen?: string;
}

/** The heads of one attention layer. */
export interface Heads {
  readonly id: HeadsId;
  /** The first layer that makes them: `blocks.0.attn.qkv`. */
  readonly layer: string;
  /** Which of several heads of this layer they are, from 0; absent for the first. */
  readonly part?: number;
  readonly count: number;
  /** Undefined where there is one head, or where heads are frozen. */
  readonly set?: SetId;
  readonly groups: readonly GroupId[];
}

export interface Groups {
  readonly graph: Graph;
  readonly leaves: readonly Leaf[];
  /** Set of every index, and its place in the set. */
  readonly setOf: Int32Array;
  readonly positionOf: Int32Array;
  readonly sets: readonly IndexSet[];
  /** Leaves of every dimension. */
  readonly values: ReadonlyMap<ValueId, readonly (readonly LeafId[])[]>;
  readonly parameters: ReadonlyMap<string, readonly (readonly LeafId[])[]>;
  readonly groups: readonly Group[];
  readonly heads: readonly Heads[];
}

export const isPrunable = (group: Group): boolean => group.frozen === undefined;

/** The group that a layer's output or input belongs to; the first, where its channels are in several. */
export function groupOf(groups: Groups, layer: string, side: Side): Group | undefined {
  return groups.groups.find(({ members }) => members.some((m) => m.layer === layer && m.side === side));
}

/** Which of several of one name something is: `` or `#2`. */
const ordinal = (part: number | undefined): string => (part ? `#${part + 1}` : '');

/** Names a group: `layer1.0.conv1`, `layer1.0.conv1#2` for the second with that root, or `conv1:in` for what comes from outside. */
export const rootName = ({ root, side, part }: Pick<Group, 'root' | 'side' | 'part'>): string =>
  `${root}${ordinal(part)}${side === 'in' ? ':in' : ''}`;

/** Names the heads of a layer. */
export const headsName = ({ layer, part }: Pick<Heads, 'layer' | 'part'>): string => `${layer}${ordinal(part)}`;

/** Numbers of heads by the layer that makes them; several of one layer under names of their own where they differ. */
export function countsByLayer(
  heads: readonly (Pick<Heads, 'layer' | 'part'> & { readonly count: number })[],
): Record<string, number> {
  const counts = new Map<string, number>();
  for (const each of heads) {
    const first = counts.get(each.layer);
    if (first === undefined) counts.set(each.layer, each.count);
    else if (first !== each.count) counts.set(headsName(each), each.count);
  }
  return Object.fromEntries(counts);
}

/** Heads of every attention layer by the name of the layer that makes them. */
export const headCounts = (groups: Groups): Record<string, number> => countsByLayer(groups.heads);

/** Groups as text: a line for each, its members below it. */
export function formatGroups({ groups, heads }: Groups): string {
  const lines = groups.flatMap((group) => {
    const [parts, entries] = group.heads === undefined ? ['groups', 'channels'] : ['heads', 'dims'];
    const per = group.channelGroups > 1 ? ` (${group.channelGroups} ${parts} × ${group.width} ${entries})` : '';
    const of = group.heads === undefined ? '' : ` · heads of ${headsName(heads[group.heads])}`;
    const state = group.frozen === undefined ? '' : ` · frozen: ${group.frozen}`;
    const members = group.members.map(({ layer, side, count }) => `  ${layer}:${side} ${count}`);
    return [`${rootName(group)} · ${group.channels} channels${per}${of}${state}`, ...members];
  });
  return lines.join('\n');
}
