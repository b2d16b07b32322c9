/** What a model's layers take here, as plans use it: held, or kept on disk beside the command line's. */
import { createHash } from 'node:crypto';
import type { RunContext } from '../common/progress.ts';
import { createExecutor } from '../engine/compute/backends.ts';
import type { Executor } from '../engine/compute/executor.ts';
import { findLatency, keepLatency, type LatencyPlace } from '../engine/jobs/latency/kept-latency.ts';
import { LatencyCache, latencyFolder, measuredOn } from '../engine/jobs/latency/latency-cache.ts';
import { ExecutorMeter, type LatencyMeter } from '../engine/jobs/latency/latency-meter.ts';
import { type PredictedLatency, predictLatency, worstError } from '../engine/jobs/latency/predicted-latency.ts';
import type { Planner } from '../engine/pruning/planning/planner.ts';
import type { TargetOptions } from '../engine/pruning/planning/target.ts';
import type { LatencyView } from '../protocol/latency-values.ts';
import { backendOptions } from './backend.ts';
import type { HeldTimes, OpenModel } from './open-models.ts';
import { TimesMissingError } from './wire-errors.ts';

/** Images of a run: what the command line takes too, unless it is told otherwise. */
export const LATENCY_BATCH = 1;

/** Where times are kept: the command line looks there too. */
export function timesFolder(): string | undefined {
  const workspace = process.env['ESPALIER_WORKSPACE'];
  return workspace && latencyFolder(workspace);
}

/** What computes, and what times of it hold for. */
export interface Here {
  readonly executor: Executor;
  readonly where: string;
}

/** As the settings say now: a runtime may have been installed meanwhile. */
export async function whatComputes(): Promise<Here> {
  const executor = await createExecutor(backendOptions());
  return { executor, where: measuredOn(executor, undefined, LATENCY_BATCH) };
}

export const meterOf = ({ executor }: Here, context: RunContext): LatencyMeter =>
  new ExecutorMeter(executor, { batch: LATENCY_BATCH }, context);

function timesOf({ where, roundTo }: LatencyPlace, model: PredictedLatency): HeldTimes {
  const key = createHash('sha256').update(`${where}\n${roundTo}`).digest('hex').slice(0, 16);
  const { dense, heldOut } = model;
  const view: LatencyView = { key, where, roundTo, dense, error: worstError(model), heldOut: heldOut.length };
  return { view, model };
}

/**
 * Measures, and holds and keeps what was found.
 *
 * @param planner of the model with nothing pinned: times hold for every pin
 * @param anew whether what was kept is measured again
 */
export async function measureTimes(
  open: OpenModel,
  planner: Planner,
  { isomorphic, global, roundTo = 1 }: TargetOptions,
  context: RunContext,
  anew = false,
): Promise<HeldTimes> {
  const here = await whatComputes();
  const { where } = here;
  const place = { groups: open.groups, roundTo, where };
  const folder = timesFolder();
  const cache = await LatencyCache.open(folder, where, anew);
  const spread = { isomorphic, global, roundTo };
  const model = await predictLatency(planner, spread, meterOf(here, context), cache, context);
  if (folder) await keepLatency(folder, place, model, context);
  const times = timesOf(place, model);
  open.keepTimes(times);
  return times;
}

/** Times by what computes now that need no measuring; undefined where there are none. */
export async function findTimes(open: OpenModel, roundTo: number): Promise<HeldTimes | undefined> {
  const { where } = await whatComputes();
  const held = open.heldTimes.find(({ view }) => view.where === where && view.roundTo === roundTo);
  const folder = timesFolder();
  if (held || !folder) return held;
  const place = { groups: open.groups, roundTo, where };
  const model = await findLatency(folder, place);
  if (!model) return undefined;
  const times = timesOf(place, model);
  open.keepTimes(times);
  return times;
}

/** The times that a plan names. */
export async function namedTimes(open: OpenModel, key: string, roundTo: number): Promise<HeldTimes> {
  const held = open.timesOf(key) ?? (await findTimes(open, roundTo));
  if (held?.view.key === key && held.view.roundTo === roundTo) return held;
  throw new TimesMissingError(
    'The times that this target was chosen by are not those of what computes now: choose ms beside the target again.',
  );
}
