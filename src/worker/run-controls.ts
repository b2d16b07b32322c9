/** Pausing and ending a finetuning run between its steps. */
import type { RunControl } from '../protocol/run-files.ts';

export class RunControls implements Readonly<Record<RunControl, () => void>> {
  private paused: Promise<void> | undefined;
  private release = (): void => undefined;
  private stopping = false;

  constructor(private readonly controller: AbortController) {
    controller.signal.addEventListener('abort', () => this.release(), { once: true });
  }

  readonly pause = (): void => {
    this.paused ??= new Promise((resolve) => {
      this.release = () => {
        this.paused = undefined;
        resolve();
      };
    });
  };

  readonly continue = (): void => this.release();

  readonly stopAfterEpoch = (): void => {
    this.stopping = true;
    this.release();
  };

  readonly stop = (): void => this.controller.abort();

  /** Awaited before every step: stays open while the run is paused, unless the run is aborted. */
  readonly gate = async (): Promise<'stop' | undefined> => {
    await this.paused;
    return this.stopping ? 'stop' : undefined;
  };
}
