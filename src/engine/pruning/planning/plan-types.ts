/** A plan: which channels and heads stay, in which group, and why. Plain JSON. */
import type { Cost } from '../../graph/macs.ts';
import type { Side } from '../coupling/groups.ts';
import type { ScopeKind } from './scopes.ts';

export interface PlanOptions {
  /** Share of each scope's channels that goes, 0 to 1. */
  readonly ratio: number;
  /** Share of all heads that goes whole. */
  readonly headRatio?: number;
  /** Share of the head dimensions, in a scope of their own; without it they are channels like others. */
  readonly headDimRatio?: number;
  /** Groups of the same dependency chain are ranked together. */
  readonly isomorphic?: boolean;
  /** Scopes span groups; otherwise every group is ranked by itself. */
  readonly global?: boolean;
  /** Kept channels of a group are a multiple of this. */
  readonly roundTo?: number;
  /** No group loses a larger share, whatever its scores. */
  readonly maxRatio?: number;
  /**
   * Share that goes of single scopes whatever the others lose, by the name of one of its groups (`layer1.0.conv1`); a target is
   * reached by the rest. For isomorphic ranking, whose scopes are what a person tells apart.
   */
  readonly scopeRatios?: Readonly<Record<string, number>>;
}

export const DEFAULT_OPTIONS = {
  headRatio: 0,
  isomorphic: true,
  global: true,
  roundTo: 1,
  maxRatio: 1,
  scopeRatios: {},
} as const satisfies Partial<PlanOptions>;

export interface PlannedScope {
  readonly id: number;
  readonly kind: ScopeKind;
  readonly chain: string;
  readonly ratio: number;
  readonly groups: number;
  readonly channels: number;
  /** Scores up to this go; absent where nothing goes, or where each group is ranked by itself. */
  readonly threshold?: number;
}

export interface PlannedGroup {
  /** The group's root layer, which names it. */
  readonly root: string;
  /** `in` for what no layer puts out: the image's channels. */
  readonly side: Side;
  /** Which of several groups of this root it is, from 0; absent for the first. */
  readonly part?: number;
  /** Id of its scope; absent for a group that is in none. */
  readonly scope?: number;
  /** Width before: entries of `kept` are below it. */
  readonly width: number;
  /** Heads or convolution groups that each have `width` channels. */
  readonly channelGroups: number;
  /** Channels that stay, ascending: of each of the channel groups. */
  readonly kept: readonly number[];
  readonly why: string;
  /** That it stays whole although its scores are among the lowest: it would lose everything. */
  readonly stayed?: 'emptied';
}

export interface PlannedHeads {
  /** The layer that makes them: `blocks.0.attn.qkv`. */
  readonly layer: string;
  /** Which of several heads of this layer they are, from 0; absent for the first. */
  readonly part?: number;
  readonly count: number;
  readonly kept: readonly number[];
  readonly why: string;
  readonly stayed?: 'emptied';
}

/** Whole blocks that go after the channels. */
interface PlannedBlocks {
  readonly stage: string;
  /** Module paths. */
  readonly removed: readonly string[];
  /** Places in the stage, from 0, of those that stay. */
  readonly kept: readonly number[];
  readonly why: string;
}

/** Of a plan what carrying it out takes: which channels, heads and blocks stay. Groups that are not named lose nothing. */
export interface KeptChannels {
  readonly groups: readonly Pick<PlannedGroup, 'root' | 'side' | 'part' | 'width' | 'kept'>[];
  readonly heads: readonly Pick<PlannedHeads, 'layer' | 'part' | 'count' | 'kept'>[];
  readonly blocks?: Pick<PlannedBlocks, 'removed'>;
}

export interface Plan extends KeptChannels {
  readonly version: 1;
  readonly model: string;
  readonly options: PlanOptions;
  /** MACs that were asked for, where the plan was solved for them. */
  readonly targetMacs?: number;
  readonly scopes: readonly PlannedScope[];
  readonly groups: readonly PlannedGroup[];
  readonly heads: readonly PlannedHeads[];
  readonly blocks?: PlannedBlocks;
  readonly before: Cost;
  readonly after: Cost;
}
