/** Turns the engine's progress into what the person sees: rate and time left, at most ten times a second. */

import type { ProgressReport } from '../common/progress.ts';
import type { ProgressReport as WireReport } from '../protocol/values.ts';

const INTERVAL_MS = 100;
/** Weight of the newest rate in the running mean. */
const SMOOTHING = 0.2;
/** A rate out of less time than this is noise. */
const SETTLING_MS = 500;

export class ProgressMeter {
  private phase: string | undefined;
  private lastSent = Number.NEGATIVE_INFINITY;
  private mark = { time: 0, done: 0 };
  private rate: number | undefined;

  constructor(
    private readonly send: (report: WireReport) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  readonly report = (report: ProgressReport): void => {
    const time = this.now();
    const begins = report.phase !== this.phase;
    if (begins) {
      this.phase = report.phase;
      this.mark = { time, done: report.done };
      this.rate = undefined;
    }
    this.measure(time, report.done);
    const ends = report.total > 0 && report.done >= report.total;
    if (!begins && !ends && time - this.lastSent < INTERVAL_MS) return;
    this.lastSent = time;
    const left = report.total - report.done;
    const eta = this.rate && report.total > 0 ? left / this.rate : undefined;
    this.send({ ...report, rate: this.rate, eta });
  };

  private measure(time: number, done: number): void {
    const elapsed = time - this.mark.time;
    if (elapsed < SETTLING_MS || done <= this.mark.done) return;
    const newest = ((done - this.mark.done) / elapsed) * 1000;
    this.rate = this.rate === undefined ? newest : this.rate + SMOOTHING * (newest - this.rate);
    this.mark = { time, done };
  }
}
