/** Plans at a target in milliseconds: five that are predicted to be near it are measured, and the largest that keeps it is taken. */

import { UserError } from '../../../common/errors.ts';
import type { LatencyTarget } from '../../../common/latency-target.ts';
import type { RunContext } from '../../../common/progress.ts';
import { graphAt } from '../../pruning/latency/grid-widths.ts';
import type { Plan } from '../../pruning/planning/plan-types.ts';
import type { Planner } from '../../pruning/planning/planner.ts';
import type { LatencyMeter } from './latency-meter.ts';
import { type PredictedLatency, sizesOf, worstError } from './predicted-latency.ts';

/** Where predictions are aimed at, in units of the error on held-out networks around the target. */
const AIMS = [0.5, 0, -0.5, -1, -2];
/** The error that is reckoned with lies between these. */
const LEAST_ERROR = 0.02;
const MOST_ERROR = 0.15;
const ROUNDS = 3;

interface LatencyCandidate {
  readonly predicted: number;
  /** Median. */
  readonly measured: number;
  readonly macs: number;
}

interface ChosenLatency extends LatencyCandidate {
  readonly plan: Plan;
}

export interface LatencyChoice {
  readonly chosen: ChosenLatency;
  /** All that were measured, in order. */
  readonly candidates: readonly LatencyCandidate[];
}

/** @throws UserError for a target that the network keeps already */
export function targetMilliseconds(target: LatencyTarget, { dense }: Pick<PredictedLatency, 'dense'>): number {
  const asked = 'fraction' in target ? target.fraction * dense : target.milliseconds;
  if (asked < dense) return asked;
  throw new UserError(
    `The network takes ${dense.toFixed(2)} ms as it is, no more than the ${asked.toFixed(2)} ms asked for: there is nothing to prune.`,
  );
}

/** Plans of different sizes that aim at several predictions, the largest first. */
function aimedPlans(
  planner: Planner,
  plan: (most: number) => Plan,
  around: number,
  error: number,
): readonly { readonly plan: Plan; readonly predicted: number }[] {
  const found = new Map<string, { plan: Plan; predicted: number }>();
  for (const aim of AIMS) {
    const made = plan(around * (1 + aim * error));
    const sizes = sizesOf(planner, made);
    found.set(sizes.join(), { plan: made, predicted: planner.bound.of(sizes) });
  }
  return [...found.values()].sort((a, b) => b.predicted - a.predicted);
}

/**
 * Measures plans near a target until one keeps it.
 *
 * @param planner bounded by predicted milliseconds
 * @param plan the plan of that planner at most so many predicted milliseconds
 * @throws UserError where none of them is fast enough
 */
export async function planAtLatency(
  planner: Planner,
  model: PredictedLatency,
  plan: (most: number) => Plan,
  milliseconds: number,
  meter: LatencyMeter,
  { note }: RunContext = {},
): Promise<LatencyChoice> {
  const error = Math.min(MOST_ERROR, Math.max(LEAST_ERROR, worstError(model)));
  const candidates: LatencyCandidate[] = [];
  let around = milliseconds;
  for (let round = 0; round < ROUNDS; round++) {
    const aimed = aimedPlans(planner, plan, around, error);
    const sizes = aimed.map((each) => sizesOf(planner, each.plan));
    const times = await meter.networks(sizes.map((each) => graphAt(planner.groups, each)));
    const measured = aimed.map((each, i) => ({
      ...each,
      measured: times[i],
      macs: planner.cost.evaluate(sizes[i]).macs,
    }));
    candidates.push(...measured.map(({ predicted, measured: time, macs }) => ({ predicted, measured: time, macs })));
    const chosen = measured.find(({ measured: time }) => time <= milliseconds);
    if (chosen) return { chosen, candidates };
    const fastest = measured.reduce((a, b) => (b.measured < a.measured ? b : a));
    note?.(
      `none of ${times.length} plans took ${milliseconds.toFixed(2)} ms or less (the fastest ${fastest.measured.toFixed(2)} ms): trying smaller ones`,
    );
    around = milliseconds * Math.min(fastest.predicted / fastest.measured, around / milliseconds);
  }
  const least = Math.min(...candidates.map(({ measured }) => measured));
  throw new UserError(
    `${planner.groups.graph.name} was not brought to ${milliseconds.toFixed(2)} ms: the fastest plan of ${candidates.length} took ${least.toFixed(2)} ms. Ask for more, ignore fewer layers, or close what else computes on this machine.`,
  );
}
