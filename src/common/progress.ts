/** How long functions report and stop: every one takes `Progress` and an `AbortSignal`. */

/** What can be being done, and how a person reads it: in bars, in a run's log, in the status bar. */
const PHASES = {
  binding: 'Building the binding',
  download: 'Downloading',
  draw: 'Drawing images',
  evaluate: 'Evaluating',
  explore: 'Measuring networks',
  factorise: 'Repairing, attention factorised',
  finetune: 'Finetuning',
  images: 'Loading images',
  latency: 'Timing layers',
  moments: 'Measuring inputs of layers',
  networks: 'Timing networks',
  prepare: 'Preparing',
  read: 'Reading',
  recalibrate: 'Batch norm statistics',
  repair: 'Repairing',
  score: 'Scoring',
  sensitive: 'Measuring sensitivities',
  start: 'Starting',
  teacher: "Teacher's outputs",
  unpack: 'Unpacking',
  validate: 'Validating',
  verify: 'Checking',
  write: 'Writing',
} as const;

export type Phase = keyof typeof PHASES;

/** The words for a phase; as it is where it is said in words already, as of a job. */
export const phaseWords = (phase: string): string => (Object.hasOwn(PHASES, phase) ? PHASES[phase as Phase] : phase);

export interface ProgressReport {
  readonly phase: Phase;
  readonly done: number;
  /** 0 when unknown. */
  readonly total: number;
  /** Human-readable detail, e.g. `412 images/s`. */
  readonly message?: string;
}

export type Progress = (report: ProgressReport) => void;

/** What every long function takes besides its values. */
export interface RunContext {
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
  /** Hears what the person should know and is no error, a sentence each. */
  readonly note?: (text: string) => void;
}

/** Throws the signal's reason if it is aborted: call it between steps. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
}
