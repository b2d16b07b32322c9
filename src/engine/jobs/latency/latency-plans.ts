/** What a pruning measures of this machine before it plans: rounding that pays, and plans at a target in milliseconds. */
import type { LatencyTarget } from '../../../common/latency-target.ts';
import type { RunContext } from '../../../common/progress.ts';
import type { Executor } from '../../compute/executor.ts';
import type { Groups } from '../../pruning/coupling/groups.ts';
import type { Plan } from '../../pruning/planning/plan-types.ts';
import { compilePlanner, type Planner } from '../../pruning/planning/planner.ts';
import type { TargetOptions } from '../../pruning/planning/target.ts';
import type { Scores } from '../../pruning/scoring/importance.ts';
import { LatencyCache, measuredOn } from './latency-cache.ts';
import { ExecutorMeter, type LatencyMeter } from './latency-meter.ts';
import { type LatencyChoice, planAtLatency, targetMilliseconds } from './latency-target.ts';
import { type PredictedLatency, predictLatency } from './predicted-latency.ts';
import { measureRounding, type RoundingReport } from './round-to-auto.ts';

export interface LatencyRequest {
  /** None: only the rounding is measured. */
  readonly target?: LatencyTarget;
  /** Whether the multiple of widths is chosen by what this machine runs well. */
  readonly roundTo?: 'auto';
  /** Images of a run. */
  readonly batch: number;
  /** Of the executor; all cores by default. */
  readonly threads?: number;
  /** Folder that times of segments are kept in; none: measured anew. */
  readonly cache?: string;
}

export interface LatencyReport {
  /** Machine, runtime, threads, images of a run. */
  readonly where: string;
  readonly rounding?: RoundingReport;
  /** With a target. */
  readonly model?: Omit<PredictedLatency, 'bound'> & { readonly milliseconds: number };
}

/** Times that planning needs, measured once for all plans of a request. */
export class LatencyPlanning {
  private model: (PredictedLatency & { readonly milliseconds: number }) | undefined;
  private rounding: RoundingReport | undefined;

  constructor(
    private readonly request: LatencyRequest,
    private readonly meter: LatencyMeter,
    private readonly cache: LatencyCache,
    private readonly where: string,
    private readonly context: RunContext = {},
  ) {}

  static async open(request: LatencyRequest, executor: Executor, context: RunContext): Promise<LatencyPlanning> {
    const where = measuredOn(executor, request.threads, request.batch);
    const meter = new ExecutorMeter(executor, { batch: request.batch }, context);
    return new LatencyPlanning(request, meter, await LatencyCache.open(request.cache, where), where, context);
  }

  /** The options with the multiple that pays, where it is to be measured. */
  async options(groups: Groups, options: TargetOptions): Promise<TargetOptions> {
    if (this.request.roundTo !== 'auto') return options;
    this.rounding ??= await measureRounding(groups, this.meter, this.cache, this.context);
    return { ...options, roundTo: this.rounding.roundTo };
  }

  /** Whether plans are to keep a time. */
  get hasTarget(): boolean {
    return this.request.target !== undefined;
  }

  /** A planner whose targets are milliseconds here, and which of them is asked for. */
  async planner(
    groups: Groups,
    scores: Scores,
    options: TargetOptions,
  ): Promise<{ readonly planner: Planner; readonly milliseconds: number }> {
    const { target } = this.request;
    if (!target) throw new Error('no target in milliseconds');
    if (!this.model) {
      const byMacs = compilePlanner(groups, scores);
      const model = await predictLatency(byMacs, options, this.meter, this.cache, this.context);
      this.model = { ...model, milliseconds: targetMilliseconds(target, model) };
    }
    const { bound, milliseconds } = this.model;
    return { planner: compilePlanner(groups, scores, undefined, bound), milliseconds };
  }

  /** The largest of several measured plans that keeps the target. `plan`: at most so many predicted milliseconds. */
  async choose(planner: Planner, plan: (most: number) => Plan): Promise<LatencyChoice> {
    if (!this.model) throw new Error('the times are not measured yet');
    return planAtLatency(planner, this.model, plan, this.model.milliseconds, this.meter, this.context);
  }

  get report(): LatencyReport {
    const { where, rounding } = this;
    if (!this.model) return { where, ...(rounding && { rounding }) };
    const { bound: _, ...model } = this.model;
    return { where, ...(rounding && { rounding }), model };
  }
}
