/** `--round-to auto`: which multiples of widths this machine runs well, measured on the network's own layers. */
import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import type { Groups } from '../../pruning/coupling/groups.ts';
import { fullSizes, setSteps, widthsOf } from '../../pruning/latency/grid-widths.ts';
import { type Segment, segmentNetwork } from '../../pruning/latency/segments.ts';
import { type CompiledCost, compileCost, type SetSizes } from '../../pruning/planning/cost.ts';
import type { LatencyCache } from './latency-cache.ts';
import type { LatencyMeter } from './latency-meter.ts';
import { SegmentTimes, segmentKinds } from './segment-times.ts';

const MULTIPLES = [1, 2, 4, 8, 16, 32];
/** Widths are odd multiples near this share of the dense ones. */
const SHARE = 0.6;
/** So many segments are measured, those of most MACs. */
const MOST_SEGMENTS = 6;
/** A coarser multiple must be faster by more than this. */
const PAYS = 0.03;

export interface RoundingRow {
  readonly multiple: number;
  /** Time for each multiply-accumulate, over that of the fastest multiple: 1 is best. */
  readonly slowness: number;
}

export interface RoundingReport {
  readonly roundTo: number;
  readonly rows: readonly RoundingRow[];
  readonly segments: readonly string[];
}

/** The odd multiple nearest to a width, of those below the dense one; at least the multiple itself. */
export function oddMultiple(width: number, dense: number, multiple: number): number {
  const odd = 2 * Math.max(0, Math.round((width / multiple - 1) / 2)) + 1;
  return odd * multiple <= dense ? odd * multiple : multiple;
}

/** MACs of a segment's own nodes. */
function macsOf(cost: CompiledCost, { nodes }: Segment, sizes: SetSizes): number {
  const macs = cost.nodes(sizes);
  return nodes.reduce((sum, id) => sum + (macs.get(id) ?? 0), 0);
}

/** The smallest multiple that is within `PAYS` of the fastest. */
export function chooseMultiple(rows: readonly RoundingRow[]): number {
  const best = Math.min(...rows.map(({ slowness }) => slowness));
  return (rows.find(({ slowness }) => slowness <= best * (1 + PAYS)) as RoundingRow).multiple;
}

/** Segments that can be measured at all multiples, those of most MACs first, with how often there are such. */
function candidates(groups: Groups, cost: CompiledCost): readonly (readonly [Segment, number])[] {
  const full = fullSizes(groups);
  const heads = new Set(groups.heads.map(({ set }) => set));
  const widthsFree = ({ axes }: Segment): boolean =>
    axes.some(({ sets }) => sets.some(({ set }) => !heads.has(set) && groups.sets[set].size > 2));
  return [...segmentKinds(segmentNetwork(groups))]
    .filter(([segment]) => widthsFree(segment) && macsOf(cost, segment, full) > 0)
    .sort(([a, m], [b, n]) => n * macsOf(cost, b, full) - m * macsOf(cost, a, full))
    .slice(0, MOST_SEGMENTS);
}

/** Every width of a segment at an odd multiple. */
function sizesAt(groups: Groups, { axes }: Segment, multiple: number): SetSizes {
  const sizes = fullSizes(groups);
  const steps = setSteps(groups, multiple);
  for (const { sets } of axes)
    for (const { set } of sets) {
      const step = steps.get(set) ?? 1;
      const { size } = groups.sets[set];
      if (step > 1 || multiple === 1) sizes[set] = oddMultiple(SHARE * size, size, Math.min(step, size));
    }
  return sizes;
}

/** Measures the network's largest layers at widths of every multiple. */
export async function measureRounding(
  groups: Groups,
  meter: LatencyMeter,
  cache: LatencyCache,
  context: RunContext = {},
): Promise<RoundingReport> {
  const cost = compileCost(groups);
  const chosen = candidates(groups, cost);
  const times = new SegmentTimes(groups, meter, cache);
  // A multiple that most of the widths do not reach says nothing of them.
  const widest = Math.max(
    ...chosen.flatMap(([{ axes }]) => axes.flatMap(({ sets }) => sets.map(({ set }) => groups.sets[set].size))),
  );
  const multiples = MULTIPLES.filter((multiple) => multiple <= Math.max(1, widest / 4));
  const slowness = multiples.map(() => 0);
  for (const [done, [segment, count]] of chosen.entries()) {
    throwIfAborted(context.signal);
    const points = multiples.map((multiple) => {
      const sizes = sizesAt(groups, segment, multiple);
      return { at: widthsOf(segment, sizes), sizes };
    });
    const found = await times.at(segment, points);
    const weight = count * macsOf(cost, segment, fullSizes(groups));
    multiples.forEach((_, i) => {
      slowness[i] += weight * (found[i] / macsOf(cost, segment, points[i].sizes));
    });
    context.progress?.({ phase: 'latency', done: done + 1, total: chosen.length, message: segment.name });
  }
  await cache.save(context);
  if (!chosen.length) return { roundTo: 1, rows: [], segments: [] };
  const best = Math.min(...slowness);
  const rows = multiples.map((multiple, i) => ({ multiple, slowness: slowness[i] / best }));
  return { roundTo: chooseMultiple(rows), rows, segments: chosen.map(([{ name }]) => name) };
}
