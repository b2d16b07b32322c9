/** What may be asked of a pruning. */
import type { Plan } from '../pruning/planning/plan-types.ts';
import type { TargetOptions } from '../pruning/planning/target.ts';
import type { LatencyRequest } from './latency/latency-plans.ts';
import type { CalibrationRequest } from './repair/calibration.ts';
import type { RepairRequest } from './repair/repair-report.ts';
import type { ScoreRequest } from './scores.ts';

/** How a target is spread over the groups: the same share of each scope, or by what each group's channels are worth. */
export const ALLOCATIONS = ['uniform', 'sensitivity'] as const;
export type AllocationMode = (typeof ALLOCATIONS)[number];
/** Which channels of a group go: the lowest scores, or those that the others make good best. */
export const SELECTIONS = ['score', 'reconstruction'] as const;
type SelectionMode = (typeof SELECTIONS)[number];

/** Budgets and selection by measured inputs; without it, both are the paper's. */
interface MeasuredPlanning {
  readonly allocate: AllocationMode;
  readonly select: SelectionMode;
  /** What is measured on. */
  readonly images: CalibrationRequest;
}

export interface PruneRequest {
  readonly score: ScoreRequest;
  /** Ratios of the paper's script; those left out with a target are solved for. */
  readonly options: TargetOptions;
  /** `2.0G`, `50%`, `-30%`. */
  readonly target?: string;
  /** Layer globs that stay as they are. */
  readonly ignore?: readonly string[];
  readonly removeLayers?: number;
  /** A plan made before: nothing is scored. */
  readonly plan?: Plan;
  /** Refit the weights that are left towards the network as it was, on these images. */
  readonly repair?: RepairRequest;
  /** Budgets by sensitivity, selection by reconstruction. */
  readonly measured?: MeasuredPlanning;
  /** A target in milliseconds on this machine in place of `target`, or widths that it runs well. */
  readonly latency?: LatencyRequest;
}

/** What a plan is made of, once there are scores. */
export type PlanRequest = Pick<PruneRequest, 'options' | 'target' | 'removeLayers'>;
