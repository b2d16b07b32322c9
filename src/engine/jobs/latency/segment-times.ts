/** Times of all segments of a network over their widths: measured once each, on a finer grid where that is needed. */
import { createHash } from 'node:crypto';
import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import type { Groups } from '../../pruning/coupling/groups.ts';
import {
  graphAt,
  gridOf,
  pointAt,
  type SetSteps,
  setSteps,
  type WidthPoint,
} from '../../pruning/latency/grid-widths.ts';
import type { MeasuredSegment } from '../../pruning/latency/latency-model.ts';
import type { Segment } from '../../pruning/latency/segments.ts';
import { interpolate, type WidthGrid } from '../../pruning/latency/width-grid.ts';
import type { LatencyCache } from './latency-cache.ts';
import type { LatencyMeter } from './latency-meter.ts';

/** Shares of the dense widths: the coarse grid, and the finer one that has it inside. */
const COARSE = [1 / 8, 3 / 8, 6 / 8, 1];
const FINE = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => n / 8);
/** Between the coarse ones: where interpolation is tried. */
const TRIED = [2 / 8, 4 / 8, 7 / 8];
/** A larger relative miss there asks for the finer grid, in a segment that takes at least this share of the whole. */
const MOST_MISS = 0.05;
const LEAST_SHARE = 0.02;
/** A finer grid over more axes would take too long. */
const MOST_FINE_AXES = 2;

export interface SegmentTimesReport {
  readonly segments: readonly MeasuredSegment[];
  /** Different ones. */
  readonly kinds: number;
  /** Those on the finer grid. */
  readonly refined: number;
  /** Points measured now, and taken from the cache. */
  readonly measured: number;
  readonly cached: number;
}

/** Measures points of segments, each once. */
export class SegmentTimes {
  measured = 0;
  cached = 0;
  private readonly seen = new Set<string>();

  constructor(
    private readonly groups: Groups,
    private readonly meter: LatencyMeter,
    private readonly cache: LatencyCache,
  ) {}

  async at(segment: Segment, points: readonly WidthPoint[]): Promise<readonly number[]> {
    const keys = points.map(({ at }) => keyOf(segment, at));
    const missing = points.filter((_, i) => this.cache.get(keys[i]) === undefined && keys.indexOf(keys[i]) === i);
    const known = keys.filter((key) => this.cache.get(key) !== undefined && !this.seen.has(key));
    this.cached += new Set(known).size;
    const requests = missing.map(({ sizes }) => ({ segment, graph: graphAt(this.groups, sizes) }));
    const times = await this.meter.segments(requests);
    missing.forEach(({ at }, i) => {
      this.cache.set(keyOf(segment, at), times[i]);
    });
    this.measured += missing.length;
    for (const key of keys) this.seen.add(key);
    return keys.map((key) => this.cache.get(key) as number);
  }

  async grid(segment: Segment, shares: readonly number[], steps: SetSteps): Promise<WidthGrid> {
    const { levels, points } = gridOf(this.groups, segment, shares, steps);
    return { levels, milliseconds: await this.at(segment, points) };
  }

  /** The largest relative miss of a grid between its points. */
  async miss(segment: Segment, grid: WidthGrid, steps: SetSteps): Promise<number> {
    if (!segment.axes.length) return 0;
    const points = TRIED.map((share) => pointAt(this.groups, segment, share, steps));
    const times = await this.at(segment, points);
    return Math.max(...points.map(({ at }, i) => Math.abs(interpolate(grid, at) / times[i] - 1)));
  }
}

const keyOf = ({ signature }: Segment, at: readonly number[]): string =>
  `${createHash('sha256').update(signature).digest('hex').slice(0, 32)} ${at.join('x')}`;

/** Segments of the same signature take the same time: the first of each, and how many there are. */
export function segmentKinds(segments: readonly Segment[]): ReadonlyMap<Segment, number> {
  const bySignature = new Map<string, { first: Segment; count: number }>();
  for (const segment of segments) {
    const known = bySignature.get(segment.signature);
    if (known) known.count++;
    else bySignature.set(segment.signature, { first: segment, count: 1 });
  }
  return new Map([...bySignature.values()].map(({ first, count }) => [first, count]));
}

const denseTime = ({ milliseconds }: WidthGrid): number => milliseconds[milliseconds.length - 1];

/**
 * Measures every kind of segment over a grid of widths that are multiples of `roundTo`.
 *
 * @param cache is saved after each kind, so that what was measured before a stop stays
 */
export async function measureSegments(
  groups: Groups,
  segments: readonly Segment[],
  roundTo: number,
  meter: LatencyMeter,
  cache: LatencyCache,
  context: RunContext = {},
): Promise<SegmentTimesReport> {
  const { signal, progress } = context;
  const steps = setSteps(groups, roundTo);
  const times = new SegmentTimes(groups, meter, cache);
  const kinds = segmentKinds(segments);
  const grids = new Map<string, WidthGrid>();
  let done = 0;
  const step = async (segment: Segment, total: number): Promise<void> => {
    await cache.save(context);
    progress?.({ phase: 'latency', done: ++done, total, message: segment.name });
  };
  for (const segment of kinds.keys()) {
    throwIfAborted(signal);
    grids.set(segment.signature, await times.grid(segment, COARSE, steps));
    await step(segment, kinds.size);
  }
  const gridFor = ({ signature }: Segment): WidthGrid => grids.get(signature) as WidthGrid;
  const whole = [...kinds].reduce((sum, [segment, count]) => sum + count * denseTime(gridFor(segment)), 0);
  let refined = 0;
  for (const [segment, count] of kinds) {
    throwIfAborted(signal);
    const share = (count * denseTime(gridFor(segment))) / whole;
    if (share < LEAST_SHARE || segment.axes.length > MOST_FINE_AXES) continue;
    if ((await times.miss(segment, gridFor(segment), steps)) <= MOST_MISS) continue;
    grids.set(segment.signature, await times.grid(segment, FINE, steps));
    refined++;
    await step(segment, kinds.size + refined);
  }
  await cache.save(context);
  return {
    segments: segments.map((segment) => ({ segment, grid: gridFor(segment) })),
    kinds: kinds.size,
    refined,
    measured: times.measured,
    cached: times.cached,
  };
}
