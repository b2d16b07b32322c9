/** How long functions report and stop: every one takes `Progress` and an `AbortSignal`. */

export interface ProgressReport {
  /** What is being done, e.g. `score`. */
  readonly phase: string;
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
