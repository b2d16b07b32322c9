/** Values that host, worker and webviews exchange: plain JSON, no weights. Paths are absolute paths on the workspace's machine. */

import type { Criterion } from '../common/criteria.ts';
import type { RunPlace } from './run-place.ts';

/**
 * Where a model comes from. Every request names its model so and the worker caches what it has opened:
 * a restarted worker opens it again, and no handle can outlive its process.
 */
export type ModelSource = FileSource | ZooSource;

interface FileSource {
  readonly kind: 'file';
  readonly path: string;
  /** The person's answer where recognition is ambiguous: an id out of `ArchitectureChoice`. */
  readonly architecture?: string;
  /** Read the exponential moving average of the weights where the file holds one. */
  readonly useEma?: boolean;
}

/** A model of the zoo, without weights. */
interface ZooSource {
  readonly kind: 'zoo';
  readonly name: string;
}

/** The same text for the same source: key of caches, lists and mementos. */
export function sourceKey(source: ModelSource): string {
  return source.kind === 'zoo'
    ? `zoo:${source.name}`
    : `file:${source.path}${source.architecture ? `#${source.architecture}` : ''}${source.useEma ? '#ema' : ''}`;
}

export interface ZooEntry {
  readonly name: string;
  readonly family: string;
  readonly macs: number;
  readonly params: number;
}

export interface ArchitectureChoice {
  readonly id: string;
  readonly label: string;
  /** What speaks for it: `12 heads of 64`. */
  readonly detail: string;
}

/** Multiply-accumulates and parameters of one image. `macs`: the paper's counter; `macsTrue`: real widths. */
export interface CostFigures {
  readonly macs: number;
  readonly macsTrue: number;
  readonly params: number;
}

export interface ModelInfo extends CostFigures {
  readonly source: ModelSource;
  /** timm's or torchvision's name. */
  readonly name: string;
  readonly family: string;
  readonly classes: number;
  /** Channels, height, width. */
  readonly input: readonly [number, number, number];
  readonly layers: number;
  readonly hasWeights: boolean;
  /** Bytes of the file; 0 for a zoo model. */
  readonly bytes: number;
  /** What the file says of where it came from. */
  readonly lineage?: Lineage;
  /** What the person should know: `EMA weights present, not used`. */
  readonly notes: readonly string[];
}

/** dense → pruned → finetuned, as recorded in the file. */
export interface Lineage {
  readonly step: 'pruned' | 'repaired' | 'finetuned' | 'exported';
  /** The file that it was made from, where known. */
  readonly parent?: string;
  /** One line of what was done: `taylor, isomorphic, 2.05 G of 4.11 G`. */
  readonly summary: string;
}

export interface DatasetSplit {
  readonly name: string;
  readonly classes: number;
  readonly images: number;
  readonly fewest: { readonly className: string; readonly images: number };
  readonly most: { readonly className: string; readonly images: number };
}

export interface DatasetSummary {
  readonly root: string;
  readonly splits: readonly DatasetSplit[];
  /** Of the first split, sorted as training sees them. */
  readonly classNames: readonly string[];
  /** First images, one a class. */
  readonly samples: readonly { readonly file: string; readonly className: string; readonly split: string }[];
  /** What is wrong but can be worked with. */
  readonly warnings: readonly string[];
}

/** Images as a run would read them for a model. */
export interface DataCheck {
  readonly splits: readonly { readonly name: string; readonly images: number; readonly classes: number }[];
  /** Classes that the model tells apart. */
  readonly modelClasses: number;
}

export interface ScoreSettings {
  readonly criterion: Criterion;
  /** Folder with train/ and val/; needed where the criterion reads gradients. */
  readonly dataPath?: string;
  readonly batches: number;
  readonly batchSize: number;
  readonly seed: number;
  /** A job that computes the gradients; without, this machine does. */
  readonly place?: RunPlace;
  /** File of gradients that a job has computed. */
  readonly gradients?: string;
}

/** Settings of a finetuning run, by the flags of the paper's train.py (`lr`, `epochs`, `weight-decay`, …). */
export type { FinetuneSettings } from './finetune-settings.ts';
export { DEFAULT_PLAN, type Pin, type PlanSettings, type PlanTarget } from './plan-settings.ts';

/** One point of a run's curves. Steps count from 0 over the whole run; epochs too. */
export interface RunPoint {
  readonly kind: 'step' | 'epoch';
  readonly step: number;
  readonly epoch: number;
  /** Mean training loss: of the step, or of the epoch. */
  readonly loss?: number;
  readonly learningRate?: number;
  readonly imagesPerSecond?: number;
  /** Of the validation images, 0 to 1, with their count. */
  readonly top1?: number;
  readonly top5?: number;
  readonly validationLoss?: number;
  readonly images?: number;
  /** Seconds since the run began. */
  readonly seconds?: number;
}

export interface FinetuneResult {
  readonly epochs: number;
  /** Of a classifier; of a run that imitates a dense network, the distance of its outputs in its place. */
  readonly bestTop1?: number;
  readonly bestDistance?: number;
  readonly loss: number;
  readonly imagesPerSecond: number;
  readonly outputDirectory: string;
  /** Checkpoint to open: the best one. */
  readonly best: string;
  readonly stopped: 'finished' | 'afterEpoch';
}

export interface EvaluateSettings {
  readonly dataPath: string;
  readonly split: string;
  readonly batchSize: number;
  /** Measure latency at batch 1 and throughput as well. */
  readonly benchmark: boolean;
  /** Empty: every image. */
  readonly limit?: number;
}

/** What was measured of one model. Accuracies are 0 to 1 and say on how many images; latencies on which device. */
export interface EvaluationResult extends CostFigures {
  readonly source: ModelSource;
  readonly name: string;
  readonly dataPath: string;
  readonly split: string;
  readonly top1: number;
  readonly top5: number;
  readonly loss: number;
  readonly images: number;
  readonly bytes: number;
  readonly imagesPerSecond: number;
  readonly backend: string;
  readonly device: string;
  /** Absent when not measured. */
  readonly latency?: {
    readonly p50Milliseconds: number;
    /** Nine of ten runs took at most this; absent in what earlier versions measured. */
    readonly p90Milliseconds?: number;
    readonly runs: number;
  };
  readonly throughput?: { readonly imagesPerSecond: number; readonly batchSize: number };
  /** What was wrong with single images: `3 could not be read`. */
  readonly notes: readonly string[];
}

/** An image on which two models disagree. */
export interface ChangedVerdict {
  readonly file: string;
  readonly label: string;
  readonly before: string;
  readonly after: string;
  readonly change: 'lost' | 'gained' | 'other';
}

/** Some images of each kind of change, and how many there are of each. */
export interface ChangedVerdicts {
  readonly images: readonly ChangedVerdict[];
  readonly totals: Readonly<Record<ChangedVerdict['change'], number>>;
}

export interface RuntimeStatus {
  /** `TensorFlow 2.21, CPU`, `ONNX Runtime 1.30, CPU`. */
  readonly backend: string;
  /** `Intel Xeon …, 2 cores`, `NVIDIA H100`. */
  readonly device: string;
  /** Whether TensorFlow's library is installed. */
  readonly installed: boolean;
  /** Where it lies, or would. */
  readonly folder: string;
  /** Why TensorFlow is not used, when it is not. */
  readonly reason?: string;
  readonly worker: { readonly pid: number; readonly node: string };
}

export type ExportFormat = 'safetensors' | 'pth' | 'module' | 'pt2' | 'onnx' | 'pytorch';

export interface ProgressReport {
  /** What is being done: `score`, `epoch 3`. */
  readonly phase: string;
  readonly done: number;
  /** 0 when unknown. */
  readonly total: number;
  /** For the person: `412 images/s`. */
  readonly message?: string;
  /** Units of `done` per second. */
  readonly rate?: number;
  /** Seconds left. */
  readonly eta?: number;
}

export type RunKind =
  | 'score'
  | 'sensitivity'
  | 'latency'
  | 'prune'
  | 'explore'
  | 'finetune'
  | 'evaluate'
  | 'export'
  | 'install';
/** `interrupted`: its worker or window died while it ran. */
export type RunState = 'queued' | 'running' | 'paused' | 'interrupted' | 'cancelled' | 'failed' | 'done';

/** What failed, where, and what to do: an error as it crosses a process boundary. */
export interface ErrorShape {
  readonly kind: ErrorKind;
  readonly message: string;
  /** Stack of a defect, for the log. */
  readonly stack?: string;
}

export type ErrorKind =
  /** Told to the person as it is. */
  | 'user'
  /** The request was cancelled. */
  | 'cancelled'
  /** The plan asks for scores that the worker does not hold. */
  | 'scoresMissing'
  /** It asks for times that are not those of what computes now. */
  | 'timesMissing'
  /** The worker died, or did not answer in time. */
  | 'worker'
  /** An error of the program. */
  | 'defect';
