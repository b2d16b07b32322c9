/** The model of a network's time on this machine: its segments measured, fitted to six whole networks, checked on four others. */
import type { RunContext } from '../../../common/progress.ts';
import { fullSizes, graphAt } from '../../pruning/latency/grid-widths.ts';
import {
  fitLatency,
  fittedLatency,
  type LatencyFit,
  type MeasuredSegment,
  segmentSum,
} from '../../pruning/latency/latency-model.ts';
import { segmentNetwork } from '../../pruning/latency/segments.ts';
import type { SetSizes } from '../../pruning/planning/cost.ts';
import type { Bound, Planner } from '../../pruning/planning/planner.ts';
import { feasibleRange, planWithin, type TargetOptions } from '../../pruning/planning/target.ts';
import type { LatencyCache } from './latency-cache.ts';
import type { LatencyMeter } from './latency-meter.ts';
import { measureSegments, type SegmentTimesReport } from './segment-times.ts';

/** Shares of the way from the smallest network to the dense one, in MACs: what is fitted to, and what is held out. */
const FITTED_SHARES = [1, 0.85, 0.7, 0.5, 0.35, 0.2];
const HELD_SHARES = [0.92, 0.6, 0.42, 0.28];

interface LatencyCheck {
  readonly macs: number;
  readonly predicted: number;
  readonly measured: number;
}

export interface PredictedLatency {
  /** Milliseconds at any sizes. */
  readonly bound: Bound;
  /** Median of the network as it is, in milliseconds. */
  readonly dense: number;
  readonly fit: LatencyFit;
  /** Networks that the fit has not seen. */
  readonly heldOut: readonly LatencyCheck[];
  readonly segments: Omit<SegmentTimesReport, 'segments'>;
}

/** Predicted milliseconds at any sizes. */
export const latencyBound = (fit: LatencyFit, segments: readonly MeasuredSegment[]): Bound => ({
  unit: 'ms',
  of: (sizes) => fittedLatency(fit, segmentSum(segments, sizes)),
});

/** Largest relative error on the networks held out. */
export const worstError = ({ heldOut }: Pick<PredictedLatency, 'heldOut'>): number =>
  Math.max(...heldOut.map(({ predicted, measured }) => Math.abs(predicted / measured - 1)));

/**
 * Sizes of networks from small to dense; every other one takes the same share of every group, so that the fit sees more
 * than one way to spread a target.
 */
function sampleSizes(planner: Planner, options: TargetOptions, shares: readonly number[]): readonly SetSizes[] {
  const ways = [options, { ...options, global: false }];
  return shares.map((share, i) => {
    if (share === 1) return fullSizes(planner.groups);
    const way = ways[i % ways.length];
    const { least } = feasibleRange(planner, way);
    const most = least + share * (planner.before.macs - least);
    return sizesOf(planner, planWithin(planner, way, most));
  });
}

/** What a plan of this planner leaves of every set. */
export function sizesOf({ groups }: Planner, plan: ReturnType<typeof planWithin>): SetSizes {
  const sizes = fullSizes(groups);
  const planned = plan.groups.values();
  for (const { dims } of groups.groups)
    if (dims !== undefined) sizes[dims] = planned.next().value?.kept.length ?? sizes[dims];
  for (const [i, { set }] of groups.heads.entries()) if (set !== undefined) sizes[set] = plan.heads[i].kept.length;
  return sizes;
}

/**
 * Measures and fits.
 *
 * @param planner of the same network, bounded by MACs
 */
export async function predictLatency(
  planner: Planner,
  options: TargetOptions,
  meter: LatencyMeter,
  cache: LatencyCache,
  context: RunContext = {},
): Promise<PredictedLatency> {
  const { groups } = planner;
  const { segments, ...report } = await measureSegments(
    groups,
    segmentNetwork(groups),
    options.roundTo ?? 1,
    meter,
    cache,
    context,
  );
  const fitted = sampleSizes(planner, options, FITTED_SHARES);
  const held = sampleSizes(planner, options, HELD_SHARES);
  const all = [...fitted, ...held];
  const times = await meter.networks(all.map((sizes) => graphAt(groups, sizes)));
  const sums = all.map((sizes) => segmentSum(segments, sizes));
  const fit = fitLatency(fitted.map((_, i) => ({ sum: sums[i], milliseconds: times[i] })));
  return {
    bound: latencyBound(fit, segments),
    dense: times[0],
    fit,
    heldOut: held.map((sizes, i) => ({
      macs: planner.cost.evaluate(sizes).macs,
      predicted: fittedLatency(fit, sums[fitted.length + i]),
      measured: times[fitted.length + i],
    })),
    segments: report,
  };
}
