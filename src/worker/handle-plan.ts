/** Scoring, planning, pruning, exporting. */

import { existsSync } from 'node:fs';
import { needsGradients } from '../common/criteria.ts';
import { UserError } from '../common/errors.ts';
import type { RunContext } from '../common/progress.ts';
import { createExecutor } from '../engine/compute/backends.ts';
import { exportModel } from '../engine/jobs/export.ts';
import { saveModel } from '../engine/jobs/opening/model.ts';
import { pruneModel } from '../engine/jobs/prune.ts';
import type { PruneRequest } from '../engine/jobs/prune-request.ts';
import { scoreModel, scoringFor } from '../engine/jobs/scores.ts';
import { formatPlan } from '../engine/pruning/planning/format-plan.ts';
import { diffPlans, keptChange, markdownPlanDiff } from '../engine/pruning/planning/plan-diff.ts';
import { planText, readPlanText } from '../engine/pruning/planning/plan-file.ts';
import type { Plan } from '../engine/pruning/planning/plan-types.ts';
import type { KeptChange, ScoresView } from '../protocol/graph-view.ts';
import type { MeasuredLatency } from '../protocol/latency-values.ts';
import type { PlanRequest } from '../protocol/messages.ts';
import type { RepairSettings } from '../protocol/prune-values.ts';
import type { PlanSettings, ScoreSettings } from '../protocol/values.ts';
import { backendOptions } from './backend.ts';
import { blockGradients } from './block-inputs.ts';
import { findCurves } from './find-curves.ts';
import { findScores } from './find-scores.ts';
import { namedTimes } from './find-times.ts';
import type { Handler } from './handler.ts';
import { findModel, type HeldTimes, type OpenModel } from './open-models.ts';
import { ignoredBy, makeMeasuredPlan, makePlan, mayBeSpread, planViewFor, rangeOf, targetOptions } from './plans.ts';
import { scoreRequest, scoresKey } from './score-cache.ts';
import { scoresViewOf } from './scores-view.ts';
import { isTimed, latencyRequest, mayBeTimed, measuredLatency } from './time-plans.ts';

function viewOf(open: OpenModel, settings: ScoreSettings): ScoresView | null {
  const scores = open.scoresOf(scoresKey(settings));
  return scores ? scoresViewOf(open.groups, open.groupsView, scores, settings) : null;
}

export const runScore: Handler<'score/run'> = async ({ source, settings, blocks = false }, context) => {
  const open = await findModel(source);
  const weights = await open.model.weights(context);
  const { scores, gradients } = await scoreModel(
    open.groups,
    weights,
    scoringFor(open.model, scoreRequest(settings)),
    () => createExecutor(backendOptions()),
    context,
    { gradients: blocks },
  );
  open.keepScores(scoresKey(settings), scores);
  if (blocks && gradients) open.keepGradients(scoresKey(settings), blockGradients(open, gradients));
  return viewOf(open, settings) as ScoresView;
};

export const cachedScores: Handler<'score/cached'> = async ({ source, settings }, context) => {
  const open = await findModel(source);
  return (await findScores(open, settings, context)) ? viewOf(open, settings) : null;
};

/** What a plan is made of. */
interface Known {
  readonly open: OpenModel;
  readonly times: HeldTimes | undefined;
}

/** The model with its scores, where they can be had, and the times that are named; without them, planning says that they are missing. */
async function knownModel({ source, scores, plan, times: key }: PlanRequest, context: RunContext): Promise<Known> {
  const open = await findModel(source);
  if (scores) await findScores(open, scores, context);
  if (scores && plan.spread) await findCurves(open, scores, plan.spread, context);
  return { open, times: key === undefined ? undefined : await namedTimes(open, key, plan.roundTo) };
}

async function planOf(request: PlanRequest, context: RunContext, { open, times }: Known): Promise<Plan> {
  return makePlan(open, request.scores, request.plan, context, times);
}

export const planRange: Handler<'plan/range'> = async (request, context) => {
  const { open, times } = await knownModel(request, context);
  return rangeOf(open, request.scores, request.plan, context, times);
};

export const computePlan: Handler<'plan/compute'> = async (request, context) => {
  const { open, times } = await knownModel(request, context);
  return planViewFor(open, request.scores, request.plan, context, times);
};

export const exportPlan: Handler<'plan/export'> = async (request, context) => {
  const plan = await planOf(request, context, await knownModel(request, context));
  // A given plan is its widths: whoever applies the file takes them, not settings.
  const extra = request.plan.target.kind === 'given' ? {} : { settings: request.plan };
  return { json: planText(plan, extra), text: formatPlan(plan) };
};

export const diffPlan: Handler<'plan/diff'> = async ({ other, name, ...request }, context) => {
  const own = await planOf(request, context, await knownModel(request, context));
  const diff = diffPlans(readPlanText(planText(own), 'the present plan'), readPlanText(other, name));
  return { markdown: markdownPlanDiff(diff, ['this plan', name]) };
};

export const planChanges: Handler<'plan/changes'> = async ({ others, ...request }, context) => {
  const known = await knownModel(request, context);
  const own = await planOf(request, context, known);
  const changes: (KeptChange | null)[] = [];
  for (const scores of others) {
    const there = await findScores(known.open, scores, context);
    // The same share of each scope: what each group is worth was measured of the present scores' order.
    const plan = { ...request.plan, spread: undefined };
    changes.push(there ? keptChange(own, await planOf({ ...request, scores, plan }, context, known)) : null);
  }
  return changes;
};

/** Refuses to write over a file that the person was not asked about. */
function mayWrite(output: string, overwrite: boolean): void {
  if (!overwrite && existsSync(output)) throw new UserError(`${output} exists already: choose another name.`);
}

const targetOf = ({ target }: PlanSettings): Pick<PruneRequest, 'target'> =>
  target.kind === 'macs' ? { target: target.text } : {};

/** What a repair adds to a pruning; budgets by sensitivity make their own plan. */
function repairOf(settings: PlanSettings, { dataPath, images, allocate }: RepairSettings): Partial<PruneRequest> {
  const calibration = { dataPath, images, seed: 0 };
  if (allocate === 'uniform') return { repair: calibration };
  if (settings.target.kind === 'given')
    throw new UserError('The widths are those of a plan: repair it as planned, or set a target to be spread.');
  mayBeSpread(settings);
  return {
    repair: calibration,
    measured: { allocate, select: 'reconstruction', images: calibration },
    ignore: ignoredBy(settings),
    ...targetOf(settings),
    ...(isTimed(settings) && { latency: latencyRequest(settings.target) }),
  };
}

/** What is asked of the engine besides scores and options, and what was measured to find the plan. */
interface Planned {
  readonly request: Partial<PruneRequest>;
  readonly latency?: MeasuredLatency;
}

async function planned(
  request: PlanRequest & { readonly repair?: RepairSettings },
  context: RunContext,
): Promise<Planned> {
  const { scores, plan: settings, repair } = request;
  const known = await knownModel(request, context);
  const { open, times } = known;
  const { removeLayers } = settings;
  const repairing = repair ? repairOf(settings, repair) : {};
  if (repairing.measured) {
    if (isTimed(settings)) mayBeTimed(settings);
    return { request: repairing };
  }
  if (isTimed(settings)) {
    const { plan, latency } = await makeMeasuredPlan(open, scores, settings, context, times);
    return { request: { ...repairing, plan }, latency };
  }
  // Which blocks go depends on gradients, which cached scores do not have: the engine then plans those itself.
  const isGiven = settings.target.kind === 'given';
  if (
    scores &&
    removeLayers > 0 &&
    !isGiven &&
    needsGradients(scores.criterion) &&
    !open.gradientsOf(scoresKey(scores))
  )
    return { request: { ...repairing, ...targetOf(settings), removeLayers, ignore: ignoredBy(settings) } };
  return { request: { ...repairing, plan: await planOf(request, context, known) } };
}

const optionsOf = (settings: PlanSettings): PruneRequest['options'] => ({
  ...targetOptions(settings),
  ...(settings.target.kind === 'ratio' && { ratio: settings.target.ratio }),
});

export const runPrune: Handler<'prune/run'> = async (request, context) => {
  const { source, scores, plan: settings, output, overwrite } = request;
  mayWrite(output, overwrite);
  if (!scores) throw new UserError('Nothing was scored yet: score the channels first, so that the right ones go.');
  const { model } = await findModel(source);
  const plan = await planned(request, context);
  const report = await pruneModel(
    model,
    { score: scoreRequest(scores), options: optionsOf(settings), ...plan.request },
    () => createExecutor(backendOptions()),
    context,
  );
  if (!report.graph || !report.weights) throw new Error('pruning gave no network');
  context.progress({ phase: 'write', done: 0, total: 0 });
  await saveModel(output, report.graph, report.weights, report.record, context);
  const { repair: done, latency: own } = report;
  const latency =
    plan.latency ?? (own?.model && own.choice && measuredLatency(own.choice, own.model.milliseconds, own.where));
  const agreement = done?.candidates.find(({ outcome }) => outcome === done.chosen)?.divergence.agreement;
  return {
    saved: output,
    before: report.before,
    after: report.after,
    heads: report.heads,
    ...(agreement !== undefined && { agreement }),
    ...(latency && { latency }),
  };
};

export const runExport: Handler<'export/run'> = async ({ source, format, output, overwrite }, context) => {
  mayWrite(output, overwrite);
  const { model } = await findModel(source);
  const {
    files: [saved],
  } = await exportModel(model, format, output, context);
  return { saved };
};
