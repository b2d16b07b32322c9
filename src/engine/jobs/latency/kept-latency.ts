/**
 * Models of whole networks' times, kept beside the times of their layers: a network that was measured here, by the same
 * runtime, is known again without a run.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as v from 'valibot';
import type { RunContext } from '../../../common/progress.ts';
import { graphToJson } from '../../graph/serialize.ts';
import type { Groups } from '../../pruning/coupling/groups.ts';
import { segmentNetwork } from '../../pruning/latency/segments.ts';
import { hashOf, keepTimes, LatencyCache } from './latency-cache.ts';
import type { LatencyMeter } from './latency-meter.ts';
import { latencyBound, type PredictedLatency } from './predicted-latency.ts';
import { measureSegments } from './segment-times.ts';

/** What the times of a network hold for. */
export interface LatencyPlace {
  readonly groups: Groups;
  /** What its widths were multiples of. */
  readonly roundTo: number;
  /** Machine, runtime, threads, images of a run. */
  readonly where: string;
}

const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const time = v.pipe(amount, v.gtValue(0));

const schema = v.object({
  where: v.string(),
  roundTo: v.number(),
  dense: time,
  fit: v.object({ fixed: amount, factor: amount }),
  heldOut: v.pipe(v.array(v.object({ macs: amount, predicted: time, measured: time })), v.minLength(1)),
});

const fileOf = (folder: string, { groups, roundTo, where }: LatencyPlace): string =>
  path.join(folder, `${hashOf([where, roundTo, graphToJson(groups.graph)].join('\n'))}.fit.json`);

export async function keepLatency(
  folder: string,
  place: LatencyPlace,
  { dense, fit, heldOut }: PredictedLatency,
  context: RunContext,
): Promise<void> {
  const { where, roundTo } = place;
  await keepTimes(fileOf(folder, place), { where, roundTo, dense, fit, heldOut }, context);
}

/** Something would have to be measured. */
class NotKept extends Error {}

const NOTHING: LatencyMeter = {
  segments: (requests) => (requests.length ? Promise.reject(new NotKept()) : Promise.resolve([])),
  networks: () => Promise.reject(new NotKept()),
};

/** The model that was kept of a network; undefined where there is none, or the times of its layers are gone. */
export async function findLatency(folder: string, place: LatencyPlace): Promise<PredictedLatency | undefined> {
  const { groups, roundTo, where } = place;
  const kept = parse(await readFile(fileOf(folder, place), 'utf8').catch(() => ''));
  if (kept?.where !== where || kept.roundTo !== roundTo) return undefined;
  const cache = await LatencyCache.open(folder, where);
  try {
    const { segments, ...report } = await measureSegments(groups, segmentNetwork(groups), roundTo, NOTHING, cache);
    const { dense, fit, heldOut } = kept;
    return { bound: latencyBound(fit, segments), dense, fit, heldOut, segments: report };
  } catch (error) {
    if (error instanceof NotKept) return undefined;
    throw error;
  }
}

/** Anybody can have written such a file into a workspace. */
function parse(text: string): v.InferOutput<typeof schema> | undefined {
  try {
    const found = v.safeParse(schema, JSON.parse(text));
    return found.success ? found.output : undefined;
  } catch {
    return undefined;
  }
}
