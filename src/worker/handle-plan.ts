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
import type { KeptChange, ScoresView } from '../protocol/graph-view.ts';
import type { PlanRequest } from '../protocol/messages.ts';
import type { RepairSettings } from '../protocol/prune-values.ts';
import type { PlanSettings, ScoreSettings } from '../protocol/values.ts';
import { backendOptions } from './backend.ts';
import { blockGradients } from './block-inputs.ts';
import { findCurves } from './find-curves.ts';
import { findScores } from './find-scores.ts';
import type { Handler } from './handler.ts';
import { findModel, type OpenModel } from './open-models.ts';
import { ignoredBy, makePlan, mayBeSpread, planViewFor, rangeOf, targetOptions } from './plans.ts';
import { scoreRequest, scoresKey } from './score-cache.ts';
import { scoresViewOf } from './scores-view.ts';

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

/** The model with its scores, where they can be had; without them, planning says that they are missing. */
async function scoredModel({ source, scores, plan }: PlanRequest, context: RunContext): Promise<OpenModel> {
  const open = await findModel(source);
  if (scores) await findScores(open, scores, context);
  if (scores && plan.spread) await findCurves(open, scores, plan.spread, context);
  return open;
}

export const planRange: Handler<'plan/range'> = async (request, context) =>
  rangeOf(await scoredModel(request, context), request.scores, request.plan, context);

export const computePlan: Handler<'plan/compute'> = async (request, context) =>
  planViewFor(await scoredModel(request, context), request.scores, request.plan, context);

export const exportPlan: Handler<'plan/export'> = async (request, context) => {
  const { scores, plan: settings } = request;
  const open = await scoredModel(request, context);
  const plan = await makePlan(open, scores, settings, context);
  return { json: planText(plan, { settings }), text: formatPlan(plan) };
};

export const diffPlan: Handler<'plan/diff'> = async ({ other, name, ...request }, context) => {
  const { scores, plan: settings } = request;
  const open = await scoredModel(request, context);
  const own = await makePlan(open, scores, settings, context);
  const diff = diffPlans(readPlanText(planText(own), 'the present plan'), readPlanText(other, name));
  return { markdown: markdownPlanDiff(diff, ['this plan', name]) };
};

export const planChanges: Handler<'plan/changes'> = async ({ others, ...request }, context) => {
  const open = await scoredModel(request, context);
  const own = await makePlan(open, request.scores, request.plan, context);
  const changes: (KeptChange | null)[] = [];
  for (const scores of others) {
    const there = await findScores(open, scores, context);
    // The same share of each scope: what each group is worth was measured of the present scores' order.
    const plan = { ...request.plan, spread: undefined };
    changes.push(there ? keptChange(own, await makePlan(open, scores, plan, context)) : null);
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
  mayBeSpread(settings);
  return {
    repair: calibration,
    measured: { allocate, select: 'reconstruction', images: calibration },
    ignore: ignoredBy(settings),
    ...targetOf(settings),
  };
}

const optionsOf = (settings: PlanSettings): PruneRequest['options'] => ({
  ...targetOptions(settings),
  ...(settings.target.kind === 'ratio' && { ratio: settings.target.ratio }),
});

export const runPrune: Handler<'prune/run'> = async (request, context) => {
  const { scores, plan: settings, output, overwrite, repair } = request;
  mayWrite(output, overwrite);
  if (!scores) throw new UserError('Nothing was scored yet: score the channels first, so that the right ones go.');
  const open = await scoredModel(request, context);
  const { removeLayers } = settings;
  // Which blocks go depends on gradients, which cached scores do not have: the engine then plans those itself.
  const lacksGradients = removeLayers > 0 && needsGradients(scores.criterion) && !open.gradientsOf(scoresKey(scores));
  const repairing = repair ? repairOf(settings, repair) : {};
  const planning = lacksGradients
    ? { ...targetOf(settings), removeLayers, ignore: ignoredBy(settings) }
    : repairing.measured
      ? {}
      : { plan: await makePlan(open, scores, settings, context) };
  const report = await pruneModel(
    open.model,
    { score: scoreRequest(scores), options: optionsOf(settings), ...planning, ...repairing },
    () => createExecutor(backendOptions()),
    context,
  );
  if (!report.graph || !report.weights) throw new Error('pruning gave no network');
  context.progress({ phase: 'Saving', done: 0, total: 0 });
  await saveModel(output, report.graph, report.weights, report.record, context);
  const { repair: done } = report;
  const agreement = done?.candidates.find(({ outcome }) => outcome === done.chosen)?.divergence.agreement;
  return {
    saved: output,
    before: report.before,
    after: report.after,
    heads: report.heads,
    ...(agreement !== undefined && { agreement }),
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
