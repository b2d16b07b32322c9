/** What a plan is made with: target, ranking, rounding, what must stay. */
import type { SensitivitySettings } from './sensitivity-values.ts';

/** A layer that the plan must leave as it is, at its output, its input, or both. */
export interface Pin {
  /** Node id. */
  readonly layer: string;
  readonly side: 'out' | 'in' | 'both';
}

/**
 * The FLOP target as typed (`4.2G`, `4200M`, `50%`, `-30%`), a time on this machine (`12ms`, `0.5 s`, `60%` of what the network
 * takes now), a channel ratio as in the paper, or the widths of a plan in a file, which are taken as they are.
 */
export type PlanTarget =
  | { readonly kind: 'macs'; readonly text: string }
  | { readonly kind: 'ms'; readonly text: string }
  | { readonly kind: 'ratio'; readonly ratio: number }
  | { readonly kind: 'given'; readonly file: string };

export interface PlanSettings {
  readonly target: PlanTarget;
  readonly isomorphic: boolean;
  readonly global: boolean;
  readonly roundTo: number;
  /** No layer loses more than this share. */
  readonly maxRatio: number;
  readonly headRatio?: number;
  /** Without it, head dims are ranked like any other channel. */
  readonly headDimRatio?: number;
  /** Share that goes of single scopes, by the name of their first group; the target is reached by the others. */
  readonly scopeRatios?: Readonly<Record<string, number>>;
  /** The target is spread by what each group is worth, measured on these; absent: the same share of each scope. */
  readonly spread?: SensitivitySettings;
  /** Whole blocks to remove, where the family allows it. */
  readonly removeLayers: number;
  readonly pins: readonly Pin[];
  /** Layer-name globs that stay as they are. */
  readonly ignore: readonly string[];
}

/** Half the MACs by global isomorphic ranking, heads left alone: what the paper does. */
export const DEFAULT_PLAN: PlanSettings = {
  target: { kind: 'macs', text: '50%' },
  isomorphic: true,
  global: true,
  roundTo: 2,
  maxRatio: 1,
  removeLayers: 0,
  pins: [],
  ignore: [],
};
