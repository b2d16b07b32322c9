/** Accuracy over MACs and latency, at several targets and by several ways of pruning, before anything is trained. */
import path from 'node:path';
import { UserError } from '../common/errors.ts';
import { createExecutor } from '../engine/compute/backends.ts';
import { writeFileAtomically } from '../engine/files/atomic-write.ts';
import { exploreFrontier, FRONTIER_MODES, type FrontierReport } from '../engine/jobs/frontier.ts';
import { planFile, writeFrontier } from '../engine/jobs/frontier-files.ts';
import { TRADE_OFF_FILE, type TradeOff } from '../protocol/trade-off.ts';
import { backendOptions } from './backend.ts';
import type { Handler } from './handler.ts';
import { findModel } from './open-models.ts';
import { ignoredBy, targetOptions } from './plans.ts';
import { scoreRequest } from './score-cache.ts';

export const runExplore: Handler<'explore/run'> = async ({ source, settings, plan, folder }, context) => {
  const { model } = await findModel(source);
  const { dataPath, targets, images, limit, score } = settings;
  const data = { dataPath, batchSize: score.batchSize || 64 };
  const { criterion, ...scoring } = scoreRequest({ ...score, dataPath });
  const { scopeRatios, ...options } = targetOptions(plan);
  if (scopeRatios || plan.removeLayers > 0)
    throw new UserError(
      'The trade-off is explored with shares and blocks as the target decides: free the scopes whose share was fixed, and set the blocks to remove to 0.',
    );
  const request = {
    criteria: [criterion],
    modes: FRONTIER_MODES,
    targets,
    score: scoring,
    options,
    ignore: ignoredBy(plan),
    images: { ...data, images, seed: 0 },
    evaluation: { ...data, ...(limit && { limit }) },
  };
  const all = 1 + FRONTIER_MODES.length * targets.length;
  let done = 0;
  const report = await exploreFrontier(model, request, await createExecutor(backendOptions()), context, () =>
    context.progress({ phase: 'explore', done: ++done, total: all, message: `${done} of ${all} networks` }),
  );
  await writeFrontier(folder, report, model.graph.name);
  await writeFileAtomically(path.join(folder, TRADE_OFF_FILE), JSON.stringify(tradeOffOf(report)));
  return { saved: path.join(folder, 'frontier.md'), networks: report.points.length };
};

function tradeOffOf({ points, backend }: FrontierReport): TradeOff {
  return {
    points: points.map((point) => {
      const { mode, target, macs, params, top1, images, agreement, latency } = point;
      const plan = planFile(point);
      return {
        ...{ mode, target, macs, params, latency },
        ...(top1 !== undefined && { top1 }),
        ...(images !== undefined && { images }),
        ...(agreement !== undefined && { agreement }),
        ...(plan !== undefined && { plan }),
      };
    }),
    backend,
  };
}
