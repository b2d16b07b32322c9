/** From scores to the plan that is carried out, or to the two that are weighed against each other. */

import { targetMacs } from '../../common/flop-target.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import { allocate, type ErrorCurve } from '../pruning/allocation/allocate.ts';
import type { Plan, PlanOptions } from '../pruning/planning/plan-types.ts';
import { compilePlanner, type Planner } from '../pruning/planning/planner.ts';
import { parseTarget, planForTarget, planWithin } from '../pruning/planning/target.ts';
import { type BlockInputs, planBlocks, planWithBlocks } from '../pruning/rebuilding/remove-layers.ts';
import type { Scores } from '../pruning/scoring/importance.ts';
import { LatencyPlanning, type LatencyReport } from './latency/latency-plans.ts';
import type { LatencyChoice } from './latency/latency-target.ts';
import type { AllocationMode, PlanRequest, PruneRequest } from './prune-request.ts';
import { errorCurves, measureInputs, reconstructionScores } from './sensitivity.ts';

export interface NamedPlan {
  readonly allocate: AllocationMode;
  readonly plan: Plan;
  /** What was measured to find it, with a target in milliseconds. */
  readonly latency?: LatencyChoice;
}

export interface MadePlans {
  readonly plans: readonly [NamedPlan, ...NamedPlan[]];
  readonly latency?: LatencyReport;
}

/** Of the paper's script. */
const DEFAULT_RATIO = 0.5;

/** The plan at the ratios asked for, or of the largest network at the target. */
function planOf(planner: Planner, request: PlanRequest): Plan {
  if (request.target !== undefined) return planForTarget(planner, request.options, parseTarget(request.target));
  const options: PlanOptions = { ...request.options, ratio: request.options.ratio ?? DEFAULT_RATIO };
  return planner.describe(planner.choose(options), options);
}

/** The paper's plan, with blocks removed where some are to be. */
export function makePlan(inputs: BlockInputs, scores: Scores, request: PlanRequest): Plan {
  const { removeLayers = 0, target } = request;
  if (target !== undefined && removeLayers > 0)
    return planWithBlocks(inputs, scores, removeLayers, (planner) => planOf(planner, request));
  return planBlocks(inputs, planOf(compilePlanner(inputs.groups, scores), request), removeLayers);
}

/** Plans of one planner at the target of a request: of MACs, or of measured milliseconds. */
interface Planning {
  readonly inputs: BlockInputs;
  readonly request: PruneRequest;
  readonly scores: Scores;
  readonly latency: LatencyPlanning | undefined;
}

async function uniformPlan({ inputs, request, scores, latency }: Planning): Promise<NamedPlan> {
  if (!latency?.hasTarget) return { allocate: 'uniform', plan: makePlan(inputs, scores, request) };
  const { planner } = await latency.planner(inputs.groups, scores, request.options);
  const choice = await latency.choose(planner, (most) => planWithin(planner, request.options, most));
  return { allocate: 'uniform', plan: choice.chosen.plan, latency: choice };
}

async function sensitivePlan(
  { inputs, request, scores, latency }: Planning,
  uniform: Plan,
  curves: readonly ErrorCurve[],
): Promise<NamedPlan> {
  if (latency?.hasTarget) {
    const { planner } = await latency.planner(inputs.groups, scores, request.options);
    const choice = await latency.choose(planner, (most) =>
      allocate(planner, planWithin(planner, request.options, most), curves, most),
    );
    return { allocate: 'sensitivity', plan: choice.chosen.plan, latency: choice };
  }
  const planner = compilePlanner(inputs.groups, scores);
  const { target } = request;
  const macs = target === undefined ? uniform.after.macs : targetMacs(parseTarget(target), planner.before.macs);
  return { allocate: 'sensitivity', plan: allocate(planner, uniform, curves, macs) };
}

/**
 * The plans of a request: the paper's, and behind it the one by sensitivity where that is asked for.
 *
 * @param inputs groups with the ignored layers pinned
 */
export async function makePlans(
  inputs: BlockInputs,
  scores: Scores,
  asked: PruneRequest,
  executor: () => Promise<Executor>,
  context: RunContext,
): Promise<MadePlans> {
  const { measured } = asked;
  const { groups, weights } = inputs;
  const latency = asked.latency && (await LatencyPlanning.open(asked.latency, await executor(), context));
  const options = latency ? await latency.options(groups, asked.options) : asked.options;
  const request = { ...asked, options };
  const made = (...plans: [NamedPlan, ...NamedPlan[]]): MadePlans => ({
    plans,
    ...(latency && { latency: latency.report }),
  });
  if (!measured) return made(await uniformPlan({ inputs, request, scores, latency }));
  const found = await measureInputs(groups, weights, scores, measured.images, await executor(), context);
  const chosen = measured.select === 'reconstruction' ? reconstructionScores(groups, scores, found) : scores;
  const planning: Planning = { inputs, request, scores: chosen, latency };
  const uniform = await uniformPlan(planning);
  if (measured.allocate === 'uniform') return made(uniform);
  const curves = await errorCurves(groups, chosen, found, await executor(), context);
  return made(uniform, await sensitivePlan(planning, uniform.plan, curves));
}
