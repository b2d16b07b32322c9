/** Which widths a segment is measured at, and the networks that have them. */
import type { Graph } from '../../graph/graph.ts';
import type { Groups, SetId } from '../coupling/groups.ts';
import type { SetSizes } from '../planning/cost.ts';
import { pruneGraph } from '../rebuilding/prune-graph.ts';
import { axisSize, prunableSets, type Segment, type WidthAxis } from './segments.ts';
import { gridPoints, widthLevels } from './width-grid.ts';

/** What the sizes of sets are multiples of. */
export type SetSteps = ReadonlyMap<SetId, number>;

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

/** Kept channels of all groups of a convolution together are a multiple of `roundTo`; heads go one by one. */
export function setSteps(groups: Groups, roundTo: number): SetSteps {
  const steps = new Map<SetId, number>();
  for (const set of prunableSets(groups)) steps.set(set, 1);
  for (const { dims, channelGroups } of groups.groups)
    if (dims !== undefined && steps.has(dims)) steps.set(dims, roundTo / divisor(roundTo, channelGroups));
  return steps;
}

export const fullSizes = ({ sets }: Groups): SetSizes => Int32Array.from(sets, ({ size }) => size);

/** A point of a segment's grid: what its axes measure there, and a size of every set of the network. */
export interface WidthPoint {
  readonly at: readonly number[];
  readonly sizes: SetSizes;
}

interface Level {
  readonly at: number;
  readonly sizes: readonly (readonly [SetId, number])[];
}

function axisLevels(groups: Groups, axis: WidthAxis, shares: readonly number[], steps: SetSteps): readonly Level[] {
  const levels = new Map<number, Level>();
  for (const share of [...shares, 1]) {
    const sizes = axis.sets.map(({ set }): [SetId, number] => [
      set,
      widthLevels(groups.sets[set].size, [share], steps.get(set) ?? 1)[0],
    ]);
    const at = axis.sets.reduce((sum, { multiplicity }, i) => sum + multiplicity * sizes[i][1], 0);
    levels.set(at, { at, sizes });
  }
  return [...levels.values()].sort((a, b) => a.at - b.at);
}

function sizesAt(groups: Groups, levels: readonly Level[]): SetSizes {
  const sizes = fullSizes(groups);
  for (const level of levels) for (const [set, size] of level.sizes) sizes[set] = size;
  return sizes;
}

/** The grid at shares of each axis. */
export function gridOf(
  groups: Groups,
  { axes }: Segment,
  shares: readonly (readonly number[])[],
  steps: SetSteps,
): { readonly levels: readonly (readonly number[])[]; readonly points: readonly WidthPoint[] } {
  const levels = axes.map((axis, i) => axisLevels(groups, axis, shares[i], steps));
  const points = gridPoints(levels.map((axis) => axis.map(({ at }) => at))).map((place): WidthPoint => {
    const chosen = place.map((i, axis) => levels[axis][i]);
    return { at: chosen.map(({ at }) => at), sizes: sizesAt(groups, chosen) };
  });
  return { levels: levels.map((axis) => axis.map(({ at }) => at)), points };
}

/** Every axis at a share of its dense width. */
export function pointAt(groups: Groups, { axes }: Segment, shares: readonly number[], steps: SetSteps): WidthPoint {
  const chosen = axes.map((axis, i) => axisLevels(groups, axis, [shares[i]], steps)[0]);
  return { at: chosen.map(({ at }) => at), sizes: sizesAt(groups, chosen) };
}

/** The widths of a segment in a network of these sizes. */
export const widthsOf = ({ axes }: Segment, sizes: SetSizes): readonly number[] =>
  axes.map((axis) => axisSize(axis, sizes));

/** The network with the first channels and heads of every group. */
export function graphAt(groups: Groups, sizes: SetSizes): Graph {
  const first = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  const plan = {
    groups: groups.groups.flatMap(({ root, side, width, dims }) =>
      dims === undefined ? [] : [{ root, side, width, kept: first(sizes[dims]) }],
    ),
    heads: groups.heads.flatMap(({ layer, count, set }) =>
      set === undefined ? [] : [{ layer, count, kept: first(sizes[set]) }],
    ),
  };
  return pruneGraph(groups.graph, plan, groups).graph;
}
