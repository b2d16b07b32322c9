/**
 * Budgets by sensitivity: the widths of least estimated divergence at or under a FLOP target. Every group's error at every
 * width is known beforehand; which widths go together depends on the cost, which is bilinear in them: a dynamic programme
 * within a trust region around the current widths, recounted exactly and repeated until it stands still.
 */
import type { Groups } from '../coupling/groups.ts';
import type { Choice } from '../planning/choice.ts';
import { resolveOptions } from '../planning/choice.ts';
import type { Plan, PlanOptions } from '../planning/plan-types.ts';
import type { Planner } from '../planning/planner.ts';
import { cheapestErrors, type WidthOption } from './knapsack.ts';

/** Estimated divergence of a group at every width: at k, with its first k channels in rank order left. Falls with k. */
export interface ErrorCurve {
  readonly group: number;
  readonly errors: Float64Array;
}

/** How far a width may move in one round, as a share of the dense width. */
const TRUST = 0.2;
const ROUNDS = 20;

/** How much is looked at. */
export interface Effort {
  /** Widths of a group that one round weighs, spread evenly over those within reach. */
  readonly widths: number;
  readonly rounds: number;
  /** Whether every round's result is made to fit, or the last one's alone. */
  readonly settleAll: boolean;
}

const THOROUGH: Effort = { widths: Number.POSITIVE_INFINITY, rounds: ROUNDS, settleAll: true };
/** Follows a slider: a few milliseconds for ResNet-20, some hundred for ResNet-50. */
export const QUICK: Effort = { widths: 24, rounds: 6, settleAll: false };

/** At most so many of a list, evenly, the first and the last among them. */
const thinned = <T>(list: readonly T[], most: number): readonly T[] =>
  list.length <= most
    ? list
    : Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]);

type Removal = Pick<Choice, 'dims' | 'heads'>;

/** What of a group's widths a plan may have: multiples, and all of them. */
export function allowedWidths(
  width: number,
  { roundTo = 1, maxRatio = 1 }: Pick<PlanOptions, 'roundTo' | 'maxRatio'>,
): readonly number[] {
  const least = Math.max(1, Math.ceil(width * (1 - maxRatio) - 1e-9));
  const widths: number[] = [];
  for (let k = roundTo; k < width; k += roundTo) if (k >= least) widths.push(k);
  return [...widths, width];
}

/** The removal of a plan, as the planner counts it. */
function removalOf(planner: Planner, plan: Plan): Choice {
  const choice = planner.choose(plan.options, 'keepLast');
  const dims = Int32Array.from(choice.dims);
  const planned = plan.groups.values();
  for (const { id, dims: set, width } of planner.groups.groups) {
    if (set === undefined) continue;
    dims[id] = width - (planned.next().value?.kept.length ?? width);
  }
  const heads = Int32Array.from(planner.groups.heads, ({ count }, i) => count - plan.heads[i].kept.length);
  return { ...choice, dims, heads };
}

class Allocation {
  private readonly curves: ReadonlyMap<number, Float64Array>;
  private readonly widths: ReadonlyMap<number, readonly number[]>;

  constructor(
    private readonly planner: Planner,
    private readonly groups: Groups,
    curves: readonly ErrorCurve[],
    options: PlanOptions,
    /** The planner's unit. */
    private readonly most: number,
    private readonly effort: Effort,
  ) {
    const resolved = resolveOptions(options);
    this.curves = new Map(curves.map(({ group, errors }) => [group, errors]));
    this.widths = new Map(curves.map(({ group }) => [group, allowedWidths(groups.groups[group].width, resolved)]));
  }

  cost(removal: Removal): number {
    return this.planner.bound.of(this.planner.sizes(removal));
  }

  private widthOf({ dims }: Removal, group: number): number {
    return this.groups.groups[group].width - dims[group];
  }

  error(removal: Removal): number {
    let sum = 0;
    for (const [group, errors] of this.curves) sum += errors[this.widthOf(removal, group)];
    return sum;
  }

  with(removal: Removal, widths: ReadonlyMap<number, number>): Removal {
    const dims = Int32Array.from(removal.dims);
    for (const [group, width] of widths) dims[group] = this.groups.groups[group].width - width;
    return { dims, heads: removal.heads };
  }

  /** The best widths near these, by costs as they are here. */
  private step(removal: Removal): Removal | undefined {
    const now = this.cost(removal);
    const ids = [...this.curves.keys()];
    const lists = ids.map((group): WidthOption[] => {
      const current = this.widthOf(removal, group);
      const reach = Math.max(TRUST * this.groups.groups[group].width, 2 * this.stepOf(group));
      const near = (this.widths.get(group) as readonly number[]).filter((width) => Math.abs(width - current) <= reach);
      return thinned(near, this.effort.widths).map((width) => ({
        width,
        error: (this.curves.get(group) as Float64Array)[width],
        cost: this.cost(this.with(removal, new Map([[group, width]]))) - now,
      }));
    });
    const places = cheapestErrors(lists, this.most - now);
    return places && this.with(removal, new Map(ids.map((group, i) => [group, lists[i][places[i]].width])));
  }

  private stepOf(group: number): number {
    const [first, second = first] = this.widths.get(group) as readonly number[];
    return second - first;
  }

  /** Moves one group by one width at a time: the least error gained or the most saved for the MACs, until it fits or is full. */
  settle(start: Removal): Removal {
    let removal = start;
    for (;;) {
      const now = this.cost(removal);
      const over = now > this.most;
      const moves = [...this.curves].flatMap(([group, errors]) => {
        const widths = this.widths.get(group) as readonly number[];
        const at = widths.indexOf(this.widthOf(removal, group));
        const width = widths[at + (over ? -1 : 1)];
        if (at < 0 || width === undefined) return [];
        const next = this.with(removal, new Map([[group, width]]));
        const cost = this.cost(next);
        if (over ? cost >= now : cost > this.most) return [];
        const rate = (errors[widths[at]] - errors[width]) / Math.abs(cost - now || 1);
        return [{ next, rate }];
      });
      if (!moves.length) return removal;
      // Over the target the error rises least for what it saves; under it, it falls most.
      removal = moves.reduce((a, b) => (b.rate > a.rate ? b : a)).next;
    }
  }

  solve(start: Removal): Removal {
    let current = start;
    let best = this.settle(start);
    const consider = (next: Removal): void => {
      const settled = this.settle(next);
      if (this.cost(settled) <= this.most && this.error(settled) < this.error(best)) best = settled;
    };
    for (let round = 0; round < this.effort.rounds; round++) {
      const next = this.step(current);
      if (!next || next.dims.every((removed, id) => removed === current.dims[id])) break;
      if (this.effort.settleAll) consider(next);
      current = next;
    }
    if (!this.effort.settleAll) consider(current);
    return best;
  }
}

/**
 * The plan of least summed error at or under a target. Groups without a curve, and all heads, stay as in `start`.
 *
 * @param start a plan at the target, of this planner
 * @param most what the planner bounds may be: MACs, or milliseconds
 */
export function allocate(
  planner: Planner,
  start: Plan,
  curves: readonly ErrorCurve[],
  most: number,
  effort = THOROUGH,
): Plan {
  const choice = removalOf(planner, start);
  const { dims } = new Allocation(planner, planner.groups, curves, start.options, most, effort).solve(choice);
  const allocated: Choice = { ...choice, dims, asked: dims };
  return planner.describe(allocated, start.options, planner.bound.unit === 'MACs' ? most : undefined);
}
