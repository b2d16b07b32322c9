/** Pausing and ending a finetuning run between its steps. */

import { UserError } from '../common/errors.ts';
import type { RunControl } from '../protocol/messages.ts';

const active = new Map<string, RunControls>();

export class RunControls implements Readonly<Record<RunControl, () => void>> {
  private paused: Promise<void> | undefined;
  private release = (): void => undefined;
  private stopping = false;

  constructor(private readonly run: string) {
    active.set(run, this);
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

  /** Awaited before every step: stays open while the run is paused, unless the run is aborted. */
  gate(signal: AbortSignal): () => Promise<'stop' | undefined> {
    signal.addEventListener('abort', () => this.release(), { once: true });
    return async () => {
      await this.paused;
      return this.stopping ? 'stop' : undefined;
    };
  }

  end(): void {
    if (active.get(this.run) === this) active.delete(this.run);
  }
}

export function findControl(run: string): RunControls {
  const found = active.get(run);
  if (!found) throw new UserError('This run is not under way.');
  return found;
}
