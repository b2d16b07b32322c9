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

/** Shares of the dense widths that a segment is measured at first, by its share of the whole network and its axes. */
const SMALL = [1 / 4, 1];
const COARSE = [1 / 8, 3 / 8, 6 / 8, 1];
const COARSE_OF_MANY = [1 / 8, 1 / 2, 1];
/** An axis that interpolation misses along has these, the coarse ones among them. */
const FINE = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => n / 8);
/** Between the coarse ones: where interpolation is tried. */
const TRIED = [4 / 8, 7 / 8];
/** A larger relative miss there asks for the finer levels. */
const MOST_MISS = 0.05;
/** A segment that takes less of the whole is measured at its ends only. */
const LEAST_SHARE = 0.02;
/** The widths of a kind are about so much work, of which its dense ones are 1. */
const GRID_WORK = 8;
/** A grid over more axes would take too long: it has fewer levels, and no finer ones. */
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

  async grid(segment: Segment, shares: readonly (readonly number[])[], steps: SetSteps): Promise<WidthGrid> {
    const { levels, points } = gridOf(this.groups, segment, shares, steps);
    return { levels, milliseconds: await this.at(segment, points) };
  }

  /** Of the network's own widths. */
  async dense(segment: Segment, steps: SetSteps): Promise<number> {
    const whole = segment.axes.map(() => 1);
    return (await this.at(segment, [pointAt(this.groups, segment, whole, steps)]))[0];
  }

  /** The largest relative miss of a grid between its points along one axis, the others dense. */
  async miss(segment: Segment, grid: WidthGrid, axis: number, steps: SetSteps): Promise<number> {
    const points = TRIED.map((share) => {
      const shares = segment.axes.map((_, i) => (i === axis ? share : 1));
      return pointAt(this.groups, segment, shares, steps);
    });
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

/** Measures one kind of segment at the levels that it needs. */
async function measureKind(
  times: SegmentTimes,
  segment: Segment,
  share: number,
  steps: SetSteps,
): Promise<{ readonly grid: WidthGrid; readonly isRefined: boolean }> {
  const { axes } = segment;
  const isSmall = share < LEAST_SHARE;
  const coarse = axes.length > MOST_FINE_AXES ? COARSE_OF_MANY : COARSE;
  const shares = axes.map((): readonly number[] => (isSmall ? SMALL : coarse));
  const grid = await times.grid(segment, shares, steps);
  if (isSmall || axes.length > MOST_FINE_AXES) return { grid, isRefined: false };
  for (const axis of axes.keys()) if ((await times.miss(segment, grid, axis, steps)) > MOST_MISS) shares[axis] = FINE;
  if (!shares.includes(FINE)) return { grid, isRefined: false };
  return { grid: await times.grid(segment, shares, steps), isRefined: true };
}

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
  const dense = new Map<Segment, number>();
  const total = kinds.size * (1 + GRID_WORK);
  for (const [segment, count] of kinds) {
    progress?.({ phase: 'latency', done: dense.size, total, message: segment.name });
    dense.set(segment, count * (await times.dense(segment, steps)));
  }
  const whole = [...dense.values()].reduce((sum, time) => sum + time, 0);
  const grids = new Map<string, WidthGrid>();
  let refined = 0;
  for (const [segment, time] of dense) {
    throwIfAborted(signal);
    const { grid, isRefined } = await measureKind(times, segment, time / whole, steps);
    grids.set(segment.signature, grid);
    if (isRefined) refined++;
    await cache.save(context);
    progress?.({ phase: 'latency', done: kinds.size + GRID_WORK * grids.size, total, message: segment.name });
  }
  return {
    segments: segments.map((segment) => ({ segment, grid: grids.get(segment.signature) as WidthGrid })),
    kinds: kinds.size,
    refined,
    measured: times.measured,
    cached: times.cached,
  };
}
