/** The pruning job: couple, score, plan, prune, save; every stage timed. */
import type { Executor } from '../compute/executor.ts';
import type { Graph } from '../graph/graph.ts';
import type { Cost } from '../graph/macs.ts';
import { graphCost } from '../graph/macs.ts';
import type { Weights } from '../graph/tensor.ts';
import { couple } from '../pruning/couple.ts';
import type { Groups } from '../pruning/groups.ts';
import type { Plan, PlanOptions } from '../pruning/plan-types.ts';
import { compilePlanner } from '../pruning/planner.ts';
import { prune } from '../pruning/prune.ts';
import { parseTarget, planForTarget, type TargetOptions } from '../pruning/target.ts';
import { UserError } from '../support/errors.ts';
import type { RunContext } from '../support/progress.ts';
import type { Model } from './model.ts';
import { headsOfGraph } from './model-info.ts';
import { type ModelRecord, withStep } from './record.ts';
import { type ScoreRequest, scoreModel } from './scores.ts';

export interface PruneRequest {
  readonly score: ScoreRequest;
  /** Ratios of the paper's script; those left out with a target are solved for. */
  readonly options: TargetOptions;
  /** `2.0G`, `50%`, `-30%`. */
  readonly target?: string;
  /** Layer globs that stay as they are. */
  readonly ignore?: readonly string[];
  readonly removeLayers?: number;
  /** A plan made before: nothing is scored. */
  readonly plan?: Plan;
}

/** Seconds of every stage. */
export interface PruneSeconds {
  readonly couple: number;
  readonly score: number;
  readonly plan: number;
  readonly prune: number;
}

export interface PruneReport {
  readonly plan: Plan;
  /** Absent with `planOnly`. */
  readonly graph?: Graph;
  readonly weights?: Weights;
  readonly record: ModelRecord;
  readonly before: Cost;
  readonly after: Cost;
  readonly heads: Readonly<Record<string, number>>;
  readonly scored: 'computed' | 'cached' | 'not needed';
  readonly seconds: PruneSeconds;
}

class Stopwatch {
  readonly seconds: Record<keyof PruneSeconds, number> = { couple: 0, score: 0, plan: 0, prune: 0 };

  async time<T>(stage: keyof PruneSeconds, work: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.seconds[stage] += (performance.now() - start) / 1000;
    return result;
  }
}

function makePlan(groups: Groups, scores: Parameters<typeof compilePlanner>[1], request: PruneRequest): Plan {
  const planner = compilePlanner(groups, scores);
  if (request.target !== undefined) return planForTarget(planner, request.options, parseTarget(request.target));
  const { ratio = 0.5 } = request.options;
  const options: PlanOptions = { ...request.options, ratio };
  return planner.describe(planner.choose(options), options);
}

/** One line of what was done, for the model's history. */
function summarise(request: PruneRequest, plan: Plan): string {
  const giga = (macs: number): string => `${(macs / 1e9).toFixed(3)} G`;
  const scope =
    request.options.isomorphic === false ? (request.options.global === false ? 'local' : 'global') : 'isomorphic';
  return `${request.score.criterion}, ${scope}, ${giga(plan.after.macs)} of ${giga(plan.before.macs)} MACs`;
}

/**
 * Prunes a model. Weights are read once; the pruned ones share what they do not lose.
 *
 * @param executor asked for when gradients must be computed
 * @throws UserError for an impossible target, missing gradients, weights that are not finite
 */
export async function pruneModel(
  model: Model,
  request: PruneRequest,
  executor: () => Promise<Executor>,
  context: RunContext = {},
  flags: { readonly planOnly?: boolean } = {},
): Promise<PruneReport> {
  const { graph } = model;
  const watch = new Stopwatch();
  const groups = await watch.time('couple', () => couple(graph));
  const weights = await model.weights(context);
  const scored = request.plan
    ? undefined
    : await watch.time('score', () => scoreModel(groups, weights, request.score, executor, context));
  const plan = await watch.time('plan', () => request.plan ?? makePlan(groups, present(scored).scores, request));
  const common = {
    plan,
    record: withStep(model.record, graphCost(graph), {
      step: 'pruned',
      summary: summarise(request, plan),
      ...(model.file && { parent: model.file }),
    }),
    before: graphCost(graph),
    scored: scored ? (scored.cached ? ('cached' as const) : ('computed' as const)) : ('not needed' as const),
  };
  if (flags.planOnly) return { ...common, after: plan.after, heads: plannedHeads(plan), seconds: watch.seconds };
  const pruned = await watch.time('prune', () => prune(graph, weights, plan, groups));
  return {
    ...common,
    graph: pruned.graph,
    weights: pruned.weights,
    after: graphCost(pruned.graph),
    heads: headsOfGraph(pruned.graph),
    seconds: watch.seconds,
  };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new UserError('nothing was scored');
  return value;
}

const plannedHeads = (plan: Plan): Record<string, number> =>
  Object.fromEntries(plan.heads.map(({ layer, kept }) => [layer, kept.length]));
