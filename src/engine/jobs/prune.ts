/** The pruning job: couple, score, plan, prune, save; every stage timed. */

import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import type { Graph } from '../graph/graph.ts';
import type { Cost } from '../graph/macs.ts';
import { graphCost } from '../graph/macs.ts';
import type { Weights } from '../graph/tensor.ts';
import { couple } from '../pruning/coupling/couple.ts';
import { ignoreLayers } from '../pruning/planning/ignore.ts';
import type { Plan, PlanOptions } from '../pruning/planning/plan-types.ts';
import { compilePlanner, type Planner } from '../pruning/planning/planner.ts';
import { parseTarget, planForTarget, type TargetOptions } from '../pruning/planning/target.ts';
import { prune } from '../pruning/rebuilding/apply-plan.ts';
import { type BlockInputs, planBlocks, planWithBlocks } from '../pruning/rebuilding/remove-layers.ts';
import type { Scores } from '../pruning/scoring/importance.ts';
import type { Model } from './model.ts';
import { headsOfGraph } from './model-info.ts';
import { type ModelRecord, withStep } from './record.ts';
import { type ScoreRequest, scoreModel, scoringFor } from './scores.ts';

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

/** Of the paper's script. */
const DEFAULT_RATIO = 0.5;

/** Seconds of every stage. */
interface PruneSeconds {
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
  /** Places of the blocks that stay, where blocks were removed. */
  readonly keptBlocks?: readonly number[];
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

/** What a plan is made of, once there are scores. */
export type PlanRequest = Pick<PruneRequest, 'options' | 'target' | 'removeLayers'>;

/** The plan at the ratios asked for, or of the largest network at the target. */
function planOf(planner: Planner, request: PlanRequest): Plan {
  if (request.target !== undefined) return planForTarget(planner, request.options, parseTarget(request.target));
  const options: PlanOptions = { ...request.options, ratio: request.options.ratio ?? DEFAULT_RATIO };
  return planner.describe(planner.choose(options), options);
}

/** The plan with blocks removed where some are to be. */
export function makePlan(inputs: BlockInputs, scores: Scores, request: PlanRequest): Plan {
  const { removeLayers = 0, target } = request;
  if (target !== undefined && removeLayers > 0)
    return planWithBlocks(inputs, scores, removeLayers, (planner) => planOf(planner, request));
  return planBlocks(inputs, planOf(compilePlanner(inputs.groups, scores), request), removeLayers);
}

/** One line of what was done, for the model's history. */
function summarise(request: PruneRequest, plan: Plan): string {
  const giga = (macs: number): string => `${(macs / 1e9).toFixed(3)} G`;
  const { isomorphic, global } = request.options;
  const scope = global === false ? 'local' : isomorphic === false ? 'global' : 'isomorphic';
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
  // Blocks are scored by the gradients themselves, which the cache does not keep.
  const keep = { gradients: (request.removeLayers ?? 0) > 0 };
  const scored = request.plan
    ? undefined
    : await watch.time('score', () =>
        scoreModel(groups, weights, scoringFor(model, request.score), executor, context, keep),
      );
  const plan = await watch.time('plan', () => {
    if (request.plan || !scored) return present(request.plan);
    const { criterion, seed } = request.score;
    const scoring = {
      criterion,
      ...(seed !== undefined && { seed }),
      ...(scored.gradients && { gradients: scored.gradients }),
    };
    const pinned = ignoreLayers(groups, request.ignore ?? []);
    return makePlan({ groups: pinned, weights, scoring }, scored.scores, request);
  });
  const common = {
    plan,
    record: withStep(model.record, graphCost(graph), {
      step: 'pruned',
      summary: summarise(request, plan),
      ...(model.file && { parent: model.file }),
    }),
    before: graphCost(graph),
    ...(plan.blocks && { keptBlocks: plan.blocks.kept }),
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
  if (value === undefined) throw new Error('a plan needs scores');
  return value;
}

const plannedHeads = (plan: Plan): Record<string, number> =>
  Object.fromEntries(plan.heads.map(({ layer, kept }) => [layer, kept.length]));
