/**
 * The files by which a finetuning run, or a scoring that is a job, talks with windows. It has a process of its own that outlives the window that started it; whoever
 * opens the folder later follows it by the same files, on another machine of a shared file system too.
 */
import type { RunPlace } from './run-place.ts';
import type {
  ErrorShape,
  FinetuneResult,
  FinetuneSettings,
  ModelSource,
  ProgressReport,
  RunPoint,
  ScoreSettings,
} from './values.ts';

/** All in the run's own folder, which is where it writes and nowhere else. */
export const RUN_FILES = {
  /** `RunStart`: what the process reads when it starts. */
  start: 'start.json',
  /** `RunLive`: written anew while it runs. */
  live: 'live.json',
  /** `RunOrder`: what a window wants of it. */
  order: 'order.json',
  /** `RunEnd`: there as soon as it has ended by itself. */
  end: 'end.json',
  /** What the process wrote to its terminal: its last words when it dies. */
  output: 'output.txt',
  /** What windows noted of it, a line each. */
  log: 'log.txt',
  metrics: 'metrics.jsonl',
  /** Of a job: its folder, which has a metrics.jsonl of its own. */
  job: 'job',
} as const;

export interface FinetuneStart {
  readonly source: ModelSource;
  readonly settings: FinetuneSettings;
  readonly resume: boolean;
  /** Of a run that is a job. */
  readonly job?: RunJob;
}

/** Scoring as a job; on this machine the worker scores. */
export interface ScoreStart {
  readonly source: ModelSource;
  readonly scores: ScoreSettings & { readonly place: RunPlace };
  readonly resume: boolean;
  readonly job: RunJob;
}

export type RunStart = FinetuneStart | ScoreStart;

/** How a job is started and asked here: from this machine's settings, never from files of a repository. */
export interface RunJob {
  readonly python: string;
  /** Options of sbatch; resources of SkyPilot. */
  readonly slurm: readonly string[];
  readonly skypilot: readonly string[];
  /** `sbatch=ssh login sbatch` */
  readonly commands: readonly string[];
}

export interface RunLive {
  readonly pid: number;
  readonly host: string;
  readonly progress: ProgressReport;
  /** What the person should know, in the order in which it was said. */
  readonly notes?: readonly string[];
}

/** `pause` holds after the current step, `stopAfterEpoch` ends the run in order, `stop` ends it now. */
export type RunControl = 'pause' | 'continue' | 'stopAfterEpoch' | 'stop';

export interface RunOrder {
  readonly action: RunControl;
  /** Tells two orders of the same kind apart. */
  readonly time: string;
}

export type RunEnd =
  | { readonly kind: 'ended'; readonly result: FinetuneResult }
  /** Without a file, the job was only written. */
  | { readonly kind: 'scored'; readonly gradients?: string }
  | { readonly kind: 'failed'; readonly error: ErrorShape };

/** A line of metrics.jsonl as a point of the curves: what it does not know it leaves out. Undefined for what is no such line. */
export function runPoint(line: unknown): RunPoint | undefined {
  if (typeof line !== 'object' || line === null) return undefined;
  const fields = line as Readonly<Record<string, unknown>>;
  const number = (name: string): number | undefined => {
    const value = fields[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  };
  const { kind } = fields;
  const [step, epoch] = [number('step'), number('epoch')];
  if ((kind !== 'step' && kind !== 'epoch') || step === undefined || epoch === undefined) return undefined;
  return {
    kind,
    step,
    epoch,
    loss: number('loss'),
    learningRate: number('learningRate'),
    imagesPerSecond: number('imagesPerSecond'),
    top1: number('top1'),
    top5: number('top5'),
    validationLoss: number('validationLoss'),
    images: number('images'),
  };
}
