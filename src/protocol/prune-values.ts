/** What a pruning is asked for besides its plan, and what it gives. */
import type { MeasuredLatency } from './latency-values.ts';
import type { CostFigures } from './values.ts';

/** Training images that a repair fits to: what the command line takes too. */
export const REPAIR_IMAGES = 1000;

/** Refitting the weights that pruning leaves, without labels or training. */
export interface RepairSettings {
  readonly dataPath: string;
  /** Training images that are fitted to. */
  readonly images: number;
  /** How the target is spread: the same share of each scope as planned, or by what each group is worth. */
  readonly allocate: 'uniform' | 'sensitivity';
}

export interface PruneResult {
  readonly saved: string;
  readonly before: CostFigures;
  readonly after: CostFigures;
  readonly heads: Readonly<Record<string, number>>;
  /** Of a repaired classifier: share of held-out images on which it names the dense model's class. */
  readonly agreement?: number;
  /** Of a target in milliseconds. */
  readonly latency?: MeasuredLatency;
}
