/**
 * The wire between host and worker: every request with its parameters, result and time limit; notifications; errors.
 *
 * vscode-jsonrpc over the IPC channel of a forked process. A request's parameters travel in an envelope with a progress
 * token; cancellation is JSON-RPC's own.
 */

import type { ExploreResult, ExploreSettings } from './explore-values.ts';
import type {
  GraphView,
  GroupsView,
  KeptChange,
  NodeDetails,
  PlanView,
  ScoresView,
  SensitivityView,
  TargetRange,
} from './graph-view.ts';
import type { LatencyView } from './latency-values.ts';
import type { PruneResult, RepairSettings } from './prune-values.ts';
import type { SensitivitySettings } from './sensitivity-values.ts';
import type {
  ArchitectureChoice,
  ChangedVerdicts,
  DataCheck,
  DatasetSummary,
  EvaluateSettings,
  EvaluationResult,
  ExportFormat,
  FinetuneSettings,
  ModelInfo,
  ModelSource,
  PlanSettings,
  ProgressReport,
  RunPoint,
  RuntimeStatus,
  ScoreSettings,
  ZooEntry,
} from './values.ts';

/** What opening a model gives: the model, or the question that only the person can answer. */
type OpenResult =
  | { readonly kind: 'model'; readonly model: ModelInfo; readonly graph: GraphView; readonly groups: GroupsView }
  | { readonly kind: 'ambiguous'; readonly question: string; readonly choices: readonly ArchitectureChoice[] };

/** A request that names a model and the scores its plan rests on; null: nothing was scored, by ratio alone. */
export interface PlanRequest {
  readonly source: ModelSource;
  readonly scores: ScoreSettings | null;
  readonly plan: PlanSettings;
  /** Key of the times that predict what the plan takes; a target in milliseconds needs them. */
  readonly times?: string;
}

/** Every request that the host sends to the worker. */
interface WorkerRequests {
  'models/list': { params: Record<never, never>; result: readonly ZooEntry[] };
  /** Reads, recognises, couples. Never sends weights. */
  'model/open': { params: { source: ModelSource }; result: OpenResult };
  /** Figures of one layer's parameters, for the inspector. */
  'model/details': { params: { source: ModelSource; node: string }; result: NodeDetails };
  /** Forgets a model: its last editor was closed. */
  'model/close': { params: { source: ModelSource }; result: null };
  'dataset/validate': { params: { path: string }; result: DatasetSummary };
  /** Opens the splits as a run would; an error of kind `user` where they do not fit the model. */
  'dataset/check': {
    params: { source: ModelSource; dataPath: string; splits: readonly ('train' | 'val')[] };
    result: DataCheck;
  };
  /** Scores channels and keeps them: plans with the same settings find them. */
  'score/run': {
    params: {
      source: ModelSource;
      settings: ScoreSettings /** Whether whole blocks are to be chosen by them too. */;
      blocks?: boolean;
    };
    result: ScoresView;
  };
  /** Scores computed earlier with these settings, where they are still held; null: score again. */
  'score/cached': { params: { source: ModelSource; settings: ScoreSettings }; result: ScoresView | null };
  /** Measures what each group is worth and keeps it: plans that are spread by it find it. */
  'sensitivity/run': {
    params: { source: ModelSource; scores: ScoreSettings; settings: SensitivitySettings };
    result: SensitivityView;
  };
  /** What was measured earlier, where it is still held; null: measure again. */
  'sensitivity/cached': {
    params: { source: ModelSource; scores: ScoreSettings; settings: SensitivitySettings };
    result: SensitivityView | null;
  };
  /** Measures what the network's layers take here, and keeps it: plans that keep a time find it. `anew`: nothing kept is taken. */
  'latency/run': { params: PlanRequest & { anew?: boolean }; result: LatencyView };
  /** What was measured earlier by what computes now, at widths that are multiples of `roundTo`; null: measure again. */
  'latency/cached': { params: { source: ModelSource; roundTo: number }; result: LatencyView | null };
  /** What can be reached with these pins and options. */
  'plan/range': { params: PlanRequest; result: TargetRange };
  'plan/compute': { params: PlanRequest; result: PlanView };
  /** The plan as JSON text, as it is saved. */
  'plan/export': { params: PlanRequest; result: { json: string; text: string } };
  /** What plans by other scores would keep otherwise; null for scores that are not there without images. */
  'plan/changes': {
    params: PlanRequest & { others: readonly ScoreSettings[] };
    result: readonly (KeptChange | null)[];
  };
  /** What a saved plan, as text, does otherwise: a table as Markdown. */
  'plan/diff': { params: PlanRequest & { other: string; name: string }; result: { markdown: string } };
  'prune/run': {
    params: PlanRequest & { output: string; overwrite: boolean; repair?: RepairSettings };
    result: PruneResult;
  };
  /** Networks at several targets, pruned in several ways and measured; their report goes into `folder`. */
  'explore/run': {
    params: { source: ModelSource; settings: ExploreSettings; plan: PlanSettings; folder: string };
    result: ExploreResult;
  };
  /** A recipe's flags for this model, to be edited before the run. */
  'finetune/defaults': {
    params: { source: ModelSource; recipe: string; dataPath: string };
    result: FinetuneSettings;
  };
  /** Everything that is wrong with a run's flags, a line each; none: it can start. */
  'finetune/check': { params: { flags: FinetuneSettings['flags']; isJob?: boolean }; result: readonly string[] };
  /** Points recorded in a run's folder. */
  'run/history': { params: { directory: string }; result: readonly RunPoint[] };
  /** `predictionsFile`: where to keep what the model said of each image. */
  'evaluate/run': {
    params: { source: ModelSource; settings: EvaluateSettings; predictionsFile: string };
    result: EvaluationResult;
  };
  /** Images on which two evaluations differ, by the files of their predictions; at most `limit` of each kind. */
  'evaluate/changed': { params: { before: string; after: string; limit: number }; result: ChangedVerdicts };
  'export/run': {
    params: { source: ModelSource; format: ExportFormat; output: string; overwrite: boolean };
    result: { saved: string };
  };
  /** The Python that `trace/run` runs, to be read before. */
  'trace/script': { params: Record<never, never>; result: { script: string } };
  /** A model from a person's code as a `.pt2`: their module's code is run. `notes`: what Python said of it. */
  'trace/run': {
    params: { module: string; input: string; output: string; paths: readonly string[]; python: string };
    result: { saved: string; notes: readonly string[] };
  };
  /** Makes the sample in a folder: a trained model and its images. */
  'sample/create': { params: { folder: string }; result: { model: string; dataset: string } };
  'runtime/status': { params: Record<never, never>; result: RuntimeStatus };
  'runtime/install': { params: Record<never, never>; result: RuntimeStatus };
}

export type WorkerMethod = keyof WorkerRequests;
export type ParamsOf<M extends WorkerMethod> = WorkerRequests[M]['params'];
export type ResultOf<M extends WorkerMethod> = WorkerRequests[M]['result'];

/** What travels: the parameters and the token under which progress comes back. */
export interface Envelope<M extends WorkerMethod = WorkerMethod> {
  readonly params: ParamsOf<M>;
  readonly progress?: string;
}

/** Notifications from the worker. */
export interface WorkerNotifications {
  'worker/ready': { pid: number; node: string };
  progress: { token: string; report: ProgressReport };
  log: { level: 'info' | 'warn' | 'error'; message: string };
}

/**
 * How long the host waits before it takes the worker for hung and restarts it, in milliseconds.
 * `silence` counts from the last progress report, for work whose length depends on the model and the data.
 */
export type TimeLimit = { readonly total: number } | { readonly silence: number };

const SECOND = 1000;
const MINUTE = 60 * SECOND;

export const timeLimits: { readonly [M in WorkerMethod]: TimeLimit } = {
  'models/list': { total: 30 * SECOND },
  'model/open': { silence: 2 * MINUTE },
  'model/details': { total: 30 * SECOND },
  'model/close': { total: 30 * SECOND },
  'dataset/validate': { silence: 2 * MINUTE },
  'dataset/check': { silence: 2 * MINUTE },
  'score/run': { silence: 10 * MINUTE },
  'score/cached': { total: MINUTE },
  'sensitivity/run': { silence: 10 * MINUTE },
  'sensitivity/cached': { total: MINUTE },
  'latency/run': { silence: 10 * MINUTE },
  'latency/cached': { total: MINUTE },
  'plan/range': { total: 30 * SECOND },
  'plan/compute': { total: 30 * SECOND },
  'plan/export': { total: 30 * SECOND },
  'plan/diff': { total: 30 * SECOND },
  'plan/changes': { total: MINUTE },
  'prune/run': { silence: 10 * MINUTE },
  'explore/run': { silence: 10 * MINUTE },
  'finetune/defaults': { total: 30 * SECOND },
  'finetune/check': { total: 30 * SECOND },
  'run/history': { total: 30 * SECOND },
  'evaluate/run': { silence: 10 * MINUTE },
  'evaluate/changed': { total: MINUTE },
  'export/run': { silence: 5 * MINUTE },
  'trace/script': { total: 30 * SECOND },
  // Large models take minutes to be exported, and Python says nothing meanwhile.
  'trace/run': { total: 20 * MINUTE },
  'sample/create': { silence: 5 * MINUTE },
  'runtime/status': { total: MINUTE },
  'runtime/install': { silence: 10 * MINUTE },
};

/** JSON-RPC error code of an `ErrorShape`; its kind is in the error's data. */
export const ERROR_CODE = -32050;
