/** The FLOP target: the largest network at or under a number of MACs. */

import { UserError } from '../../../common/errors.ts';
import { type FlopTarget, parseFlopTarget, targetMacs } from '../../../common/flop-target.ts';
import { attentionProportions } from '../../graph/reference-quirks.ts';
import type { Groups } from '../coupling/groups.ts';
import { type Choice, previousStep, resolveOptions } from './choice.ts';
import type { Plan, PlanOptions } from './plan-types.ts';
import type { Planner } from './planner.ts';

/** Ratios that are given stay as they are; those left out are solved for, in the paper's proportions. */
export type TargetOptions = Omit<PlanOptions, 'ratio'> & { readonly ratio?: number };

/** `4.2G`, `4200M`, `50%`, `-30%`. Throws UserError when the text says nothing that can be read so. */
export function parseTarget(text: string): FlopTarget {
  const target = parseFlopTarget(text);
  if (target) return target;
  throw new UserError(`the target ${text} cannot be read: give MACs (4.2G, 4200M), a share (50%) or what goes (-30%)`);
}

export interface FeasibleRange {
  /** MACs (or milliseconds) with everything pruned that these options let go. */
  readonly least: number;
  /** The same with nothing pruned but what given ratios take. */
  readonly most: number;
}

/** What a target can ask for with these options, in the planner's unit. */
export function feasibleRange(planner: Planner, options: TargetOptions): FeasibleRange {
  const at = (share: number): number => costAt(planner, options, share).amount;
  return { least: at(1), most: at(0) };
}

/**
 * The largest network at or under a target: bisection on the share of channels that goes, then single channels (or
 * `roundTo` of them) and heads that just missed the threshold come back until none fits. Under a second when scored.
 * Throws UserError with the feasible range where the target lies outside it.
 */
export function planForTarget(planner: Planner, options: TargetOptions, target: FlopTarget): Plan {
  const macs = targetMacs(target, planner.before.macs);
  checkFeasible(planner, options, macs);
  const { choice, asked } = largestWithin(planner, options, macs);
  return planner.describe(choice, asked, macs);
}

/** The largest network whose bounded amount is at most `most`; the smallest that there is where none is. */
export function planWithin(planner: Planner, options: TargetOptions, most: number): Plan {
  const { choice, asked } = largestWithin(planner, options, most);
  return planner.describe(choice, asked);
}

function largestWithin(planner: Planner, options: TargetOptions, most: number): Chosen {
  const { choice, asked } = leastShare(planner, options, most);
  const free = {
    heads: options.ratio !== undefined || options.headRatio === undefined,
    headDims: options.ratio !== undefined || options.headDimRatio === undefined,
  };
  return { choice: fill(planner, choice, asked, most, free), asked };
}

/** The least share of channels that goes for which the network fits, as near as 40 halvings tell shares apart. */
function leastShare(planner: Planner, options: TargetOptions, most: number): Costed {
  const none = costAt(planner, options, 0);
  if (none.amount <= most) return none;
  let low = 0;
  let high = 1;
  let tooMuch = none.choice;
  let fits = costAt(planner, options, 1);
  for (let i = 0; i < 40 && high - low > 1e-12; i++) {
    const middle = (low + high) / 2;
    const at = choiceAt(planner, options, middle);
    // Scores change places at most once for every channel: soon both sides of a halving take the same, and cost the same.
    if (sameRemoval(at.choice, tooMuch)) low = middle;
    else if (sameRemoval(at.choice, fits.choice)) {
      high = middle;
      fits = { ...at, amount: fits.amount };
    } else {
      const amount = amountOf(planner, at.choice);
      if (amount <= most) {
        high = middle;
        fits = { ...at, amount };
      } else {
        low = middle;
        tooMuch = at.choice;
      }
    }
  }
  return fits;
}

const sameRemoval = (a: Choice, b: Choice): boolean =>
  a.dims.every((count, id) => count === b.dims[id]) && a.heads.every((count, id) => count === b.heads[id]);

function checkFeasible(planner: Planner, options: TargetOptions, macs: number): void {
  const { least, most } = feasibleRange(planner, options);
  if (macs >= least && macs <= Math.max(most, planner.before.macs)) return;
  const figure = (count: number): string => `${(count / 1e6).toPrecision(5)} M`;
  const share = (count: number): string => `${((100 * count) / planner.before.macs).toFixed(1)} %`;
  const range = `${figure(least)} (${share(least)}) to ${figure(most)} (${share(most)})`;
  throw new UserError(
    macs < least
      ? `${planner.groups.graph.name} cannot be pruned to ${figure(macs)} MACs: with these options it can have ${range}. Ask for more, or ignore fewer layers`
      : `${planner.groups.graph.name} has ${figure(planner.before.macs)} MACs already, no more than the ${figure(macs)} asked for: it can be pruned to ${range}`,
  );
}

interface Chosen {
  readonly choice: Choice;
  readonly asked: PlanOptions;
}

interface Costed extends Chosen {
  /** What the planner bounds. */
  readonly amount: number;
}

function choiceAt(planner: Planner, options: TargetOptions, share: number): Chosen {
  const asked = optionsAt(planner.groups, options, share);
  return { asked, choice: planner.choose(asked, 'keepLast') };
}

const amountOf = (planner: Planner, choice: Pick<Choice, 'dims' | 'heads'>): number =>
  planner.bound.of(planner.sizes(choice));

function costAt(planner: Planner, options: TargetOptions, share: number): Costed {
  const chosen = choiceAt(planner, options, share);
  return { ...chosen, amount: amountOf(planner, chosen.choice) };
}

/** The ratios at a share: given ones fixed, unless all are given, which then keep their proportions. */
function optionsAt(groups: Groups, options: TargetOptions, share: number): PlanOptions {
  const { ratio, headRatio, headDimRatio, ...rest } = options;
  const attention = groups.heads.length > 0;
  if (ratio !== undefined) return scaled({ ...options, ratio }, share);
  const { heads, headDims } = attentionProportions(groups.graph.family);
  if (!attention) return { ...rest, ratio: share };
  const dims = headDimRatio ?? (headDims === undefined ? undefined : headDims * share);
  return { ...rest, ratio: share, headRatio: headRatio ?? heads * share, headDimRatio: dims };
}

/** All ratios times one factor; at share 1 the largest of them is 1. */
function scaled(options: PlanOptions, share: number): PlanOptions {
  const { ratio, headRatio = 0, headDimRatio } = options;
  const factor = share / Math.max(ratio, headRatio, headDimRatio ?? 0, Number.MIN_VALUE);
  const dims = headDimRatio === undefined ? undefined : headDimRatio * factor;
  return { ...options, ratio: ratio * factor, headRatio: headRatio * factor, headDimRatio: dims };
}

/** One step that gives channels or a head back. */
interface Step {
  readonly kind: 'dims' | 'heads';
  readonly id: number;
  /** Removal after it. */
  readonly removed: number;
  /** How near the score of what comes back is to its threshold; 1 at it. */
  readonly nearness: number;
}

/**
 * Gives back what just missed the threshold, nearest first, as long as it fits. What does not fit once never will.
 * `free`: whether heads and head dims may come back; where their ratio was given, they may not.
 */
function fill(
  planner: Planner,
  choice: Choice,
  options: PlanOptions,
  most: number,
  free: { readonly heads: boolean; readonly headDims: boolean },
): Choice {
  const { groups, ranking } = planner;
  const { roundTo } = resolveOptions(options);
  const dims = Int32Array.from(choice.dims);
  const heads = Int32Array.from(choice.heads);
  // What was asked for single scopes stays so.
  const fixed = new Set(choice.scopes.flatMap((each) => (each.fixed ? each.scope.groups : [])));
  const thresholds = new Map(
    choice.scopes.flatMap(({ scope, threshold }) => scope.groups.map((id) => [id, threshold])),
  );

  const dimStep = (id: number): Step | undefined => {
    const ranked = ranking.dims[id];
    if (!ranked || !dims[id] || fixed.has(id) || (groups.groups[id].heads !== undefined && !free.headDims))
      return undefined;
    const removed = Math.max(0, previousStep(groups.groups[id].channels, dims[id], roundTo));
    const threshold = thresholds.get(id) ?? ranked.sorted[dims[id] - 1];
    return { kind: 'dims', id, removed, nearness: ranked.sorted[removed] / threshold };
  };
  const headStep = (id: number): Step | undefined => {
    const ranked = ranking.heads[id];
    if (!ranked || !heads[id] || !free.heads) return undefined;
    const threshold = choice.headThreshold ?? ranked.sorted[heads[id] - 1];
    return { kind: 'heads', id, removed: heads[id] - 1, nearness: ranked.sorted[heads[id] - 1] / threshold };
  };
  const next = (kind: Step['kind'], id: number): Step | undefined => (kind === 'dims' ? dimStep(id) : headStep(id));
  const steps = [
    ...groups.groups.flatMap(({ id }) => dimStep(id) ?? []),
    ...groups.heads.flatMap(({ id }) => headStep(id) ?? []),
  ];
  while (steps.length) {
    let best = 0;
    for (let i = 1; i < steps.length; i++) if (steps[i].nearness > steps[best].nearness) best = i;
    const [step] = steps.splice(best, 1);
    const removal = step.kind === 'dims' ? dims : heads;
    const before = removal[step.id];
    removal[step.id] = step.removed;
    if (amountOf(planner, { dims, heads }) > most) removal[step.id] = before;
    else {
      const following = next(step.kind, step.id);
      if (following) steps.push(following);
    }
  }
  return { ...choice, dims, heads };
}
