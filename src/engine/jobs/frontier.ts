/** How far a network can go: pruned and repaired at several targets in several ways, each evaluated and timed. */

import type { Criterion } from '../../common/criteria.ts';
import { targetMacs } from '../../common/flop-target.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import { predictProgram } from '../compute/programs/programs.ts';
import type { Graph } from '../graph/graph.ts';
import { graphCost } from '../graph/macs.ts';
import type { Weights } from '../graph/tensor.ts';
import { allocate, type ErrorCurve } from '../pruning/allocation/allocate.ts';
import { couple } from '../pruning/coupling/couple.ts';
import type { Groups } from '../pruning/coupling/groups.ts';
import { ignoreLayers } from '../pruning/planning/ignore.ts';
import type { Plan } from '../pruning/planning/plan-types.ts';
import { compilePlanner } from '../pruning/planning/planner.ts';
import { parseTarget, planForTarget, type TargetOptions } from '../pruning/planning/target.ts';
import type { Scores } from '../pruning/scoring/importance.ts';
import { measureLatency } from '../training/latency.ts';
import { type DataRequest, evaluateModel } from './evaluate.ts';
import type { Model } from './opening/model.ts';
import { pruneModel } from './prune.ts';
import type { CalibrationRequest } from './repair/calibration.ts';
import { heldOutDivergence } from './repair/held-out.ts';
import { type RecalibrateRequest, recalibratedWeights } from './repair/recalibrate.ts';
import type { RepairReport } from './repair/repair-report.ts';
import { type ScoreRequest, scoreModel, scoringFor } from './scores.ts';
import { errorCurves, measureInputs, reconstructionScores } from './sensitivity.ts';

/** Ways to get a network of a target: the paper's plan as it is, repaired, and with budgets and selection by what is measured. */
export const FRONTIER_MODES = ['pruned', 'repaired', 'sensitivity', 'reconstruction'] as const;
export type FrontierMode = (typeof FRONTIER_MODES)[number];

export interface FrontierRequest {
  readonly criteria: readonly Criterion[];
  readonly modes: readonly FrontierMode[];
  /** `75%`, `2.0G`. */
  readonly targets: readonly string[];
  /** How to score; its criterion is each of `criteria` in turn. */
  readonly score: Omit<ScoreRequest, 'criterion'>;
  readonly options: TargetOptions;
  readonly ignore?: readonly string[];
  /** What repairs and measurements take. */
  readonly images: CalibrationRequest;
  /** Batch norm statistics of training images, as the last thing that is done to every pruned network. */
  readonly recalibrate?: RecalibrateRequest;
  /** What is evaluated on; without it a point has its agreement with the dense network alone. */
  readonly evaluation?: DataRequest;
}

export interface FrontierPoint {
  /** Absent for the dense network. */
  readonly criterion?: Criterion;
  readonly mode: FrontierMode | 'dense';
  readonly target: string;
  readonly macs: number;
  readonly params: number;
  /** Share of `images` that are classified right. */
  readonly top1?: number;
  /** The same among the classes that have a folder, where not all have one. */
  readonly top1Among?: number;
  readonly images?: number;
  /** Share of held-out images on which it names the dense network's class; of repaired networks. */
  readonly agreement?: number;
  /** Median at batch 1, in milliseconds. */
  readonly latency: number;
  readonly latencyRuns: number;
  readonly plan?: Plan;
}

export interface FrontierReport {
  /** As it was asked for. */
  readonly recalibrate?: Pick<RecalibrateRequest, 'batches' | 'share'>;
  readonly points: readonly FrontierPoint[];
  readonly backend: string;
}

/** What the plans of one criterion are made of, measured once for all targets. */
interface Planning {
  readonly scores: Scores;
  /** With the channels in the order in which they can go with least loss. */
  readonly reordered?: Scores;
  readonly curves?: readonly ErrorCurve[];
  readonly reorderedCurves?: readonly ErrorCurve[];
}

class Frontier {
  constructor(
    private readonly model: Model,
    private readonly weights: Weights,
    private readonly groups: Groups,
    private readonly request: FrontierRequest,
    private readonly executor: Executor,
    private readonly context: RunContext,
  ) {}

  async prepare(criterion: Criterion): Promise<Planning> {
    const { model, groups, weights, executor, context, request } = this;
    const scoring = scoringFor(model, { ...request.score, criterion });
    const { scores } = await scoreModel(groups, weights, scoring, async () => executor, context);
    if (!request.modes.some((mode) => mode === 'sensitivity' || mode === 'reconstruction')) return { scores };
    const measured = await measureInputs(groups, weights, scores, request.images, executor, context);
    const curves = await errorCurves(groups, scores, measured, executor, context);
    if (!request.modes.includes('reconstruction')) return { scores, curves };
    const reordered = reconstructionScores(groups, scores, measured);
    return {
      scores,
      curves,
      reordered,
      reorderedCurves: await errorCurves(groups, reordered, measured, executor, context),
    };
  }

  planOf({ scores, reordered = scores, curves, reorderedCurves }: Planning, mode: FrontierMode, target: string): Plan {
    const planner = compilePlanner(this.groups, mode === 'reconstruction' ? reordered : scores);
    const wanted = parseTarget(target);
    const uniform = planForTarget(planner, this.request.options, wanted);
    const errors = mode === 'sensitivity' ? curves : mode === 'reconstruction' ? reorderedCurves : undefined;
    return errors ? allocate(planner, uniform, errors, targetMacs(wanted, planner.before.macs)) : uniform;
  }

  async point(criterion: Criterion, mode: FrontierMode, target: string, plan: Plan): Promise<FrontierPoint> {
    const { model, request, executor, context } = this;
    const repair = mode !== 'pruned' && { repair: request.images };
    const score = { ...request.score, criterion };
    const made = await pruneModel(
      model,
      { score, options: request.options, plan, ...repair },
      async () => executor,
      context,
    );
    if (!made.graph || !made.weights) throw new Error('pruning gave no network');
    const { weights, agreement } = await this.finish(made.graph, made.weights, made.repair);
    return {
      criterion,
      mode,
      target,
      ...(agreement !== undefined && { agreement }),
      ...(await this.measure(made.graph, weights)),
      plan,
    };
  }

  /** A pruned network as it is measured, and how often it agrees with the dense one where it was repaired. */
  private async finish(
    student: Graph,
    made: Weights,
    repair: RepairReport | undefined,
  ): Promise<{ readonly weights: Weights; readonly agreement: number | undefined }> {
    const { model, executor, context, request } = this;
    const { recalibrate, images } = request;
    const chosen = repair?.candidates.find(({ outcome }) => outcome === repair.chosen)?.divergence;
    if (!recalibrate) return { weights: made, agreement: chosen?.agreement };
    const weights = await recalibratedWeights({ graph: student, weights: made }, recalibrate, executor, context);
    if (!repair) return { weights, agreement: undefined };
    const networks = { student, weights, teacher: model.graph, teacherWeights: this.weights };
    const { agreement } = await heldOutDivergence(networks, images, executor, context);
    return { weights, agreement };
  }

  async measure(
    graph: Graph,
    weights: Weights,
  ): Promise<Pick<FrontierPoint, 'macs' | 'params' | 'top1' | 'top1Among' | 'images' | 'latency' | 'latencyRuns'>> {
    const { model, executor, context, request } = this;
    const { record } = model;
    const accuracy =
      request.evaluation &&
      (await evaluateModel({ graph, weights, record }, request.evaluation, { executor }, context));
    const session = await executor.open({ predict: predictProgram(graph) }, context);
    try {
      await session.assign(weights);
      const { p50Milliseconds, runs } = await measureLatency(session, 'predict', graph, context);
      const { macs, params } = graphCost(graph);
      return {
        macs,
        params,
        ...(accuracy && { top1: accuracy.top1, images: accuracy.images }),
        ...(accuracy?.among && { top1Among: accuracy.among.top1 }),
        latency: p50Milliseconds,
        latencyRuns: runs,
      };
    } finally {
      await session.dispose();
    }
  }
}

/**
 * Explores the trade-off. The dense network is the first point.
 *
 * @param onPoint hears of every point as it is there
 * @throws UserError for a target that cannot be reached, naming the feasible range
 */
export async function exploreFrontier(
  model: Model,
  request: FrontierRequest,
  executor: Executor,
  context: RunContext = {},
  onPoint: (point: FrontierPoint) => void = () => undefined,
): Promise<FrontierReport> {
  const groups = ignoreLayers(couple(model.graph), request.ignore ?? []);
  const weights = await model.weights(context);
  const frontier = new Frontier(model, weights, groups, request, executor, context);
  const points: FrontierPoint[] = [];
  const add = (point: FrontierPoint): void => {
    points.push(point);
    onPoint(point);
  };
  add({ mode: 'dense', target: '100%', ...(await frontier.measure(model.graph, weights)) });
  for (const criterion of request.criteria) {
    const planning = await frontier.prepare(criterion);
    for (const mode of request.modes)
      for (const target of request.targets)
        add(await frontier.point(criterion, mode, target, frontier.planOf(planning, mode, target)));
  }
  return { points, backend: executor.label, ...(request.recalibrate && { recalibrate: request.recalibrate }) };
}
