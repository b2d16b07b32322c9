/** Live plans: from cached scores and the person's settings to what the model editor draws. */
import { readFile } from 'node:fs/promises';
import { UserError } from '../common/errors.ts';
import { targetMacs } from '../common/flop-target.ts';
import type { RunContext } from '../common/progress.ts';
import { makePlan as planWithRemoval } from '../engine/jobs/make-plans.ts';
import { allocate, type ErrorCurve, QUICK } from '../engine/pruning/allocation/allocate.ts';
import { type Groups, isPrunable } from '../engine/pruning/coupling/groups.ts';
import { removedWith } from '../engine/pruning/planning/blocks.ts';
import { ignoreLayers } from '../engine/pruning/planning/ignore.ts';
import { planFromJson } from '../engine/pruning/planning/plan-schema.ts';
import type { Plan } from '../engine/pruning/planning/plan-types.ts';
import { compilePlanner, type Planner } from '../engine/pruning/planning/planner.ts';
import {
  feasibleRange,
  parseTarget,
  planForTarget,
  planWithin,
  type TargetOptions,
} from '../engine/pruning/planning/target.ts';
import { givenPlan } from '../engine/pruning/rebuilding/given-plan.ts';
import type { BlockInputs } from '../engine/pruning/rebuilding/remove-layers.ts';
import type { Scores } from '../engine/pruning/scoring/importance.ts';
import type { PlanView, TargetRange } from '../protocol/graph-view.ts';
import type { PlanSettings, ScoreSettings } from '../protocol/values.ts';
import { blockInputs } from './block-inputs.ts';
import { curvesKey } from './find-curves.ts';
import type { HeldTimes, OpenModel } from './open-models.ts';
import { compilePlanView } from './plan-view.ts';
import { scoresKey } from './score-cache.ts';
import {
  chooseMeasured,
  mayBeTimed,
  planByTime,
  type TimedSettings,
  timedPlanner,
  timeOfPlan,
  timeRange,
  timesFor,
} from './time-plans.ts';
import { ScoresMissingError } from './wire-errors.ts';

/** What is compiled once for a model, its scores, pins and ignored layers: then every target is fast. */
interface Prepared {
  readonly key: string;
  readonly planner: Planner;
  readonly scores: Scores;
  readonly view: ReturnType<typeof compilePlanView>;
  /** Asked for by the first plan that removes blocks. */
  blocks?: Promise<BlockInputs>;
}

const prepared = new WeakMap<OpenModel, Prepared>();

/** Scores that rank every group alike, last channels first: widths by ratio alone, while nothing was scored. */
function positionScores({ groups }: Groups): Scores {
  return {
    criterion: 'random',
    normaliser: 'mean',
    channels: groups.map((group) =>
      isPrunable(group)
        ? Float64Array.from({ length: group.channels }, (_, i) => 2 * (1 - (i + 0.5) / group.channels))
        : undefined,
    ),
  };
}

/** Pins and ignored layers in the engine's notation: `layer1.0.conv1:out`. */
export const ignoredBy = ({ pins, ignore }: PlanSettings): readonly string[] => [
  ...pins.map(({ layer, side }) => (side === 'both' ? layer : `${layer}:${side}`)),
  ...ignore,
];

/** Throws ScoresMissingError when the worker does not hold the scores. */
function prepare(open: OpenModel, scores: ScoreSettings | null, settings: PlanSettings): Prepared {
  const ignored = ignoredBy(settings);
  const key = JSON.stringify([scores && scoresKey(scores), ignored]);
  const known = prepared.get(open);
  if (known?.key === key) return known;
  const held = scores ? open.scoresOf(scoresKey(scores)) : positionScores(open.groups);
  if (!held) throw new ScoresMissingError('These scores are not held any more: score the channels again.');
  const planner = compilePlanner(ignoreLayers(open.groups, ignored), held);
  const made: Prepared = {
    key,
    planner,
    scores: held,
    view: compilePlanView(open.groups, open.groupsView, planner.cost),
  };
  prepared.set(open, made);
  return made;
}

/** What plans of a model with these pins are made by. */
export const plannerOf = (open: OpenModel, scores: ScoreSettings | null, settings: PlanSettings): Planner =>
  prepare(open, scores, settings).planner;

export function targetOptions(settings: PlanSettings): TargetOptions {
  const { isomorphic, global, roundTo, maxRatio, headRatio, headDimRatio, scopeRatios } = settings;
  return {
    isomorphic,
    global,
    roundTo,
    maxRatio,
    ...(headRatio !== undefined && { headRatio }),
    ...(headDimRatio !== undefined && { headDimRatio }),
    ...(scopeRatios && Object.keys(scopeRatios).length > 0 && { scopeRatios }),
  };
}

/** Whole blocks that a plan removes, with what else they change. */
interface WithBlocks {
  readonly plan: Plan;
  /** MACs that can be asked for once they are gone. */
  readonly least: number;
}

/** The plan with blocks removed, exactly as pruning makes it. */
async function planBlocksToo(
  open: OpenModel,
  scores: ScoreSettings | null,
  settings: PlanSettings,
  context: RunContext,
): Promise<WithBlocks> {
  const ready = prepare(open, scores, settings);
  ready.blocks ??= blockInputs(open, scores, ignoredBy(settings), context);
  const { target, removeLayers } = settings;
  const options = targetOptions(settings);
  if (target.kind === 'given') throw new Error('a given plan has no blocks to remove');
  if (target.kind === 'ms') mayBeTimed(settings);
  const request =
    target.kind === 'ratio' ? { options: { ...options, ratio: target.ratio } } : { options, target: target.text };
  const inputs = await ready.blocks.catch((error: unknown) => {
    delete ready.blocks;
    throw error;
  });
  const plan = planWithRemoval(inputs, ready.scores, { ...request, removeLayers });
  const removed = removedWith(inputs.groups.graph, plan.blocks?.removed ?? []);
  const { least } = feasibleRange(compilePlanner(inputs.groups, ready.scores, removed), options);
  return { plan, least };
}

/** Plans at most so many predicted milliseconds, spread as the settings say. */
function plansWithin(
  open: OpenModel,
  scores: ScoreSettings | null,
  settings: PlanSettings,
  planner: Planner,
): (most: number) => Plan {
  const options = targetOptions(settings);
  if (!settings.spread) return (most) => planWithin(planner, options, most);
  const curves = curvesFor(open, scores, settings, planner);
  return (most) => allocate(planner, planWithin(planner, options, most), curves, most, QUICK);
}

/** The plan that pruning to a time writes: of several that were run whole. */
export async function makeMeasuredPlan(
  open: OpenModel,
  scores: ScoreSettings | null,
  settings: TimedSettings,
  context: RunContext,
  named: HeldTimes | undefined,
): ReturnType<typeof chooseMeasured> {
  mayBeTimed(settings);
  if (settings.spread) mayBeSpread(settings);
  const times = timesFor(named);
  const planner = timedPlanner(plannerOf(open, scores, settings), times);
  return chooseMeasured(planner, settings.target, times, plansWithin(open, scores, settings, planner), context);
}

/**
 * The plan of these settings. Throws UserError with the feasible range for a target outside of it.
 *
 * @param named times that a target in milliseconds is predicted by
 */
export async function makePlan(
  open: OpenModel,
  scores: ScoreSettings | null,
  settings: PlanSettings,
  context: RunContext,
  named?: HeldTimes,
): Promise<Plan> {
  const { target } = settings;
  if (target.kind === 'given') return givenPlan(plannerOf(open, scores, settings), await readPlan(target.file));
  if (settings.spread) mayBeSpread(settings);
  if (settings.removeLayers > 0) return (await planBlocksToo(open, scores, settings, context)).plan;
  const { planner } = prepare(open, scores, settings);
  const options = targetOptions(settings);
  if (target.kind === 'ms') {
    const times = timesFor(named);
    const timed = timedPlanner(planner, times);
    return planByTime(timed, options, target, times, plansWithin(open, scores, settings, timed));
  }
  const uniform =
    target.kind === 'macs'
      ? planForTarget(planner, options, parseTarget(target.text))
      : planner.plan({ ...options, ratio: target.ratio });
  if (!settings.spread) return uniform;
  const most = target.kind === 'macs' ? targetMacs(parseTarget(target.text), planner.before.macs) : uniform.after.macs;
  return allocate(planner, uniform, curvesFor(open, scores, settings, planner), most, QUICK);
}

/** A plan of a file. Throws UserError where it is not there, or no plan. */
async function readPlan(file: string): Promise<Plan> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UserError(`The plan ${file} is not there any more: set a target.`);
  });
  try {
    return planFromJson(text);
  } catch (error) {
    throw new UserError(`${file} is no plan that Espalier saved (${(error as Error).message}): set a target.`);
  }
}

/** Refuses settings that a spread by sensitivity does not know. */
export function mayBeSpread({ removeLayers, scopeRatios }: PlanSettings): void {
  if (removeLayers > 0)
    throw new UserError(
      'Budgets by sensitivity remove no whole blocks: set the blocks to remove to 0, or repair the plan as it is.',
    );
  if (Object.keys(scopeRatios ?? {}).length > 0)
    throw new UserError(
      'Budgets by sensitivity decide for every scope: free the scopes whose share was fixed, or repair the plan as it is.',
    );
}

/** Curves of what may be pruned: a pinned layer's group stays whole, whatever it is worth. */
function curvesFor(
  open: OpenModel,
  scores: ScoreSettings | null,
  settings: PlanSettings,
  { groups }: Planner,
): readonly ErrorCurve[] {
  const held = scores && settings.spread && open.curvesOf(curvesKey(scores, settings.spread));
  if (!held) throw new UserError('The sensitivity is not measured for these scores: choose "by sensitivity" again.');
  return held.filter(({ group }) => isPrunable(groups.groups[group]));
}

/** What can be asked for, and why not less. */
export async function rangeOf(
  open: OpenModel,
  scores: ScoreSettings | null,
  settings: PlanSettings,
  context: RunContext,
  times?: HeldTimes,
): Promise<TargetRange> {
  const { planner } = prepare(open, scores, settings);
  const options = targetOptions(settings);
  if (settings.removeLayers === 0)
    return {
      ...rangeFrom(feasibleRange(planner, options).least, planner, settings),
      ...(times && { milliseconds: timeRange(planner, options, times) }),
    };
  // Blocks of a stage cost nearly alike: those that go at half the channels stand for those of any target.
  const half = { ...settings, target: { kind: 'ratio', ratio: 0.5 } } as const;
  return rangeFrom((await planBlocksToo(open, scores, half, context)).least, planner, settings);
}

function rangeFrom(least: number, planner: Planner, settings: PlanSettings): TargetRange {
  const { most } = feasibleRange(planner, targetOptions(settings));
  const pinned = new Set(settings.pins.map(({ layer }) => layer)).size;
  return { min: least, max: Math.max(most, planner.before.macs), reason: reasonFor(pinned) };
}

function reasonFor(pinned: number): string {
  if (pinned === 0) return 'the classifier and the last channels of every layer need it';
  return `the classifier and ${pinned} pinned ${pinned === 1 ? 'layer' : 'layers'} need it`;
}

/** The plan of these settings, drawn. */
export async function planViewFor(
  open: OpenModel,
  scores: ScoreSettings | null,
  settings: PlanSettings,
  context: RunContext,
  times?: HeldTimes,
): Promise<PlanView> {
  const { view, planner } = prepare(open, scores, settings);
  const unscored = scores === null;
  if (settings.removeLayers === 0 || settings.spread || settings.target.kind === 'given') {
    const plan = await makePlan(open, scores, settings, context, times);
    const range = await rangeOf(open, scores, settings, context, times);
    // Times are of networks with all their blocks.
    const time = times && !plan.blocks ? timeOfPlan(planner, plan, settings, times) : undefined;
    return view(plan, { range, unscored, ...(time && { time }) });
  }
  const { plan, least } = await planBlocksToo(open, scores, settings, context);
  return view(plan, { range: rangeFrom(least, planner, settings), unscored, removed: plan.blocks?.removed ?? [] });
}
