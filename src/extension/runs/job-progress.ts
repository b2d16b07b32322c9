/**
 * One progress for a whole job. Its phases (reading, training, validating, saving) each count from zero; what a person sees must not run
 * back: the bar is that of the phase that takes the time, and without a share while another one goes before or after it.
 */
import type { Phase } from '../../common/progress.ts';
import type { ProgressReport, RunKind } from '../../protocol/values.ts';

/** The phase that takes the time; undefined where none does. */
const MAIN_PHASES: { readonly [K in RunKind]: Phase | undefined } = {
  score: 'score',
  sensitivity: 'sensitive',
  latency: 'latency',
  prune: undefined,
  explore: 'explore',
  finetune: 'finetune',
  evaluate: 'evaluate',
  export: undefined,
  install: 'download',
};

export class JobProgress {
  private main: ProgressReport | undefined;
  private part = 0;

  /** @param parts how many times the job's phases come: one for each model that is evaluated */
  constructor(
    private readonly kind: RunKind,
    private readonly parts = 1,
  ) {}

  /** The next model's turn. */
  nextPart(): void {
    this.part++;
    this.main = undefined;
  }

  /** What is shown for a phase's own report. */
  of(report: ProgressReport): ProgressReport {
    if (report.phase === MAIN_PHASES[this.kind]) {
      const { done, total } = report;
      // A resumed or damaged count never takes the bar back.
      if (!this.main || done >= this.main.done) this.main = report;
      return this.parts === 1 ? this.main : { ...this.main, ...this.share(total > 0 ? this.main.done / total : 0) };
    }
    const { phase, message, done, total } = report;
    const detail = [message, total > 0 ? `${Math.floor((100 * done) / total)} %` : ''].filter(Boolean).join(' · ');
    return { phase, ...(detail && { message: detail }), ...this.meanwhile() };
  }

  /** The bar while another phase goes: where the main one stands, or none before and after it. */
  private meanwhile(): Pick<ProgressReport, 'done' | 'total'> {
    if (this.parts > 1) return this.share(this.main && this.main.total > 0 ? this.main.done / this.main.total : 0);
    if (!this.main || this.main.done >= this.main.total) return { done: 0, total: 0 };
    return { done: this.main.done, total: this.main.total };
  }

  private share(ofPart: number): Pick<ProgressReport, 'done' | 'total'> {
    return { done: Math.round(1000 * (this.part + ofPart)), total: 1000 * this.parts };
  }
}
