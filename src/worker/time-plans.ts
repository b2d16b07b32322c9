/** Targets in milliseconds: plans by predicted times, as quick as by MACs, and the measured one that pruning writes. */
import { UserError } from '../common/errors.ts';
import { parseLatencyTarget } from '../common/latency-target.ts';
import type { RunContext } from '../common/progress.ts';
import type { LatencyRequest } from '../engine/jobs/latency/latency-plans.ts';
import { type LatencyChoice, planAtLatency, targetMilliseconds } from '../engine/jobs/latency/latency-target.ts';
import { sizesOf } from '../engine/jobs/latency/predicted-latency.ts';
import type { Plan } from '../engine/pruning/planning/plan-types.ts';
import type { Planner } from '../engine/pruning/planning/planner.ts';
import { feasibleRange, type TargetOptions } from '../engine/pruning/planning/target.ts';
import type { TargetRange } from '../protocol/graph-view.ts';
import type { MeasuredLatency, PlanTime } from '../protocol/latency-values.ts';
import type { PlanSettings, PlanTarget } from '../protocol/values.ts';
import { LATENCY_BATCH, meterOf, timesFolder, whatComputes } from './find-times.ts';
import type { HeldTimes } from './open-models.ts';
import { TimesMissingError } from './wire-errors.ts';

/** What is asked for may be so much above the dense model's time: of a slider at its end. */
const ROUNDING = 1e-4;

export type TimeTarget = Extract<PlanTarget, { kind: 'ms' }>;

export type TimedSettings = PlanSettings & { readonly target: TimeTarget };

export const isTimed = (settings: PlanSettings): settings is TimedSettings => settings.target.kind === 'ms';

/** Refuses settings that a target in milliseconds does not know. */
export function mayBeTimed({ removeLayers }: PlanSettings): void {
  if (removeLayers > 0)
    throw new UserError(
      'A target in milliseconds removes no whole blocks: set the blocks to remove to 0, or choose another unit beside the target.',
    );
}

function parsed({ text }: TimeTarget): NonNullable<ReturnType<typeof parseLatencyTarget>> {
  const target = parseLatencyTarget(text);
  if (target) return target;
  throw new UserError(`The target ${text} cannot be read as a time: write 12ms, 0.5 s or 60%.`);
}

/** The times of a target that is one. Throws TimesMissingError where the plan names none. */
export function timesFor(times: HeldTimes | undefined): HeldTimes {
  if (times) return times;
  throw new TimesMissingError('The times of this machine are not measured: choose ms beside the target first.');
}

export const timedPlanner = (planner: Planner, { model }: HeldTimes): Planner => ({ ...planner, bound: model.bound });

/** Milliseconds that can be asked for, as predicted. */
export function timeRange(
  planner: Planner,
  options: TargetOptions,
  times: HeldTimes,
): NonNullable<TargetRange['milliseconds']> {
  const { dense } = times.model;
  return { min: Math.min(dense, feasibleRange(timedPlanner(planner, times), options).least), max: dense };
}

const asked = (target: TimeTarget, { model: { dense } }: HeldTimes): number => {
  const wanted = parsed(target);
  return 'fraction' in wanted ? wanted.fraction * dense : wanted.milliseconds;
};

/**
 * The plan of a target in milliseconds.
 *
 * @param planner bounded by predicted milliseconds
 * @param plan the plan at most so many of them
 * @throws UserError with the range where the target lies outside of it
 */
export function planByTime(
  planner: Planner,
  options: TargetOptions,
  target: TimeTarget,
  times: HeldTimes,
  plan: (most: number) => Plan,
): Plan {
  const { min, max } = timeRange(planner, options, times);
  const milliseconds = asked(target, times);
  const figures = (): string => `${min.toPrecision(3)} to ${max.toPrecision(3)} ms`;
  const { name } = planner.groups.graph;
  if (milliseconds < min * (1 - ROUNDING))
    throw new UserError(
      `${name} cannot be pruned to ${milliseconds.toPrecision(3)} ms: with these options it is predicted to take ${figures()}. Ask for more, or pin fewer layers.`,
    );
  if (milliseconds > max * (1 + ROUNDING))
    throw new UserError(
      `${name} takes ${max.toPrecision(3)} ms already, no more than the ${milliseconds.toPrecision(3)} ms asked for: it can be pruned to ${figures()}.`,
    );
  // Nothing goes at the end of the slider, whatever is predicted of the dense model.
  return plan(milliseconds >= max ? Number.POSITIVE_INFINITY : Math.max(milliseconds, min));
}

/** What a plan is predicted to take. */
export const timeOfPlan = (planner: Planner, plan: Plan, { target }: PlanSettings, times: HeldTimes): PlanTime => ({
  predicted: times.model.bound.of(sizesOf(planner, plan)),
  ...(target.kind === 'ms' && { asked: asked(target, times) }),
});

/** Runs plans around the target whole, and takes the largest that keeps it. */
export async function chooseMeasured(
  planner: Planner,
  target: TimeTarget,
  times: HeldTimes,
  plan: (most: number) => Plan,
  context: RunContext,
): Promise<{ readonly plan: Plan; readonly latency: MeasuredLatency }> {
  const here = await whatComputes();
  const { where } = times.view;
  if (here.where !== where)
    throw new TimesMissingError(
      `The times are those of ${where}; now ${here.where} computes: choose ms beside the target again.`,
    );
  const milliseconds = targetMilliseconds(parsed(target), times.model);
  const choice = await planAtLatency(planner, times.model, plan, milliseconds, meterOf(here, context), context);
  return { plan: choice.chosen.plan, latency: measuredLatency(choice, milliseconds, where) };
}

/** What is told of it. */
export const measuredLatency = (
  { chosen, candidates }: LatencyChoice,
  milliseconds: number,
  where: string,
): MeasuredLatency => ({
  asked: milliseconds,
  predicted: chosen.predicted,
  measured: chosen.measured,
  plans: candidates.length,
  where,
});

/** The same as the engine is asked for it, where it makes plans of its own. */
export function latencyRequest(target: TimeTarget): LatencyRequest {
  const cache = timesFolder();
  return { target: parsed(target), batch: LATENCY_BATCH, ...(cache && { cache }) };
}
