/** What a repair works on, what may be asked of it, and what it says it did. */
import type { Graph } from '../../graph/graph.ts';
import type { Weights } from '../../graph/tensor.ts';
import type { KeptIndexTable } from '../../pruning/rebuilding/prune-graph.ts';
import type { Divergence } from '../../training/divergence.ts';
import type { CalibrationRequest } from './calibration.ts';

/** What happened to one layer; errors are shares of the targets' variation on held-out images. */
export interface LayerRepair {
  readonly layer: string;
  readonly inputs: number;
  readonly rows: number;
  readonly lambda: number;
  readonly errorBefore: number;
  readonly errorAfter: number;
  /** Distance of the network's outputs to the dense one's with all layers up to this one repaired, on `distanceImages` held-out images. */
  readonly outputDistance: number;
}

/** What the network could be left as. */
type RepairOutcome =
  | 'unrepaired'
  | 'repaired'
  | 'recalibrated'
  | 'repaired and recalibrated'
  | 'repaired, attention factorised';

export interface RepairCandidate {
  readonly outcome: RepairOutcome;
  /** On all held-out images. */
  readonly divergence: Divergence;
}

export interface RepairReport {
  readonly weights: Weights;
  readonly layers: readonly LayerRepair[];
  /** Layers that could not be refitted, with the reason. */
  readonly left: Readonly<Record<string, string>>;
  /** All that were compared; `chosen` diverges least from the dense network, of what the request leaves. */
  readonly candidates: readonly RepairCandidate[];
  readonly chosen: RepairOutcome;
  readonly fittedImages: number;
  readonly heldImages: number;
  readonly distanceImages: number;
  readonly seconds: number;
}

export interface RepairInputs {
  readonly student: Graph;
  readonly weights: Weights;
  readonly teacher: Graph;
  readonly teacherWeights: Weights;
  /** Which entries of the teacher's parameters the student has. */
  readonly kept: KeptIndexTable;
}

/** Which repair of attention is taken whose heads lost dims: towards the dims that stayed, factorised, or the one that diverges less. */
export const ATTENTION_REPAIRS = ['better', 'selected', 'factorised'] as const;

export interface RepairRequest extends CalibrationRequest {
  /** Folder that layers which are done are kept in until all are, so that a repair that was stopped goes on; none: from the start. */
  readonly cache?: string;
  /** Most bytes of one layer's second moments (default 512 MB); larger ones are fitted channel by channel. */
  readonly momentBytes?: number;
  /** Default `better`. */
  readonly attention?: (typeof ATTENTION_REPAIRS)[number];
}

export interface RepairHooks {
  /** Hears of every layer as it is done. */
  readonly onLayer?: (layer: LayerRepair) => void;
}
