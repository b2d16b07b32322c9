/** When a worker that died is started again: after 1, 2 and 4 seconds, then no more until something succeeds or the person asks. */

export const RETRY_DELAYS: readonly number[] = [1000, 2000, 4000];

export type RetryDecision = { readonly kind: 'retry'; readonly afterMs: number } | { readonly kind: 'giveUp' };

export class RetryState {
  private failures = 0;

  constructor(private readonly delays: readonly number[] = RETRY_DELAYS) {}

  /** Deaths since the last success. */
  get count(): number {
    return this.failures;
  }

  get exhausted(): boolean {
    return this.failures > this.delays.length;
  }

  /** The process ended without being asked to. */
  died(): RetryDecision {
    this.failures++;
    return this.exhausted ? { kind: 'giveUp' } : { kind: 'retry', afterMs: this.delays[this.failures - 1] };
  }

  /** A request was answered. Only that counts: a process that starts and dies at once must not start for ever. */
  succeeded(): void {
    this.failures = 0;
  }

  /** The person asked for another try. */
  reset(): void {
    this.failures = 0;
  }
}
