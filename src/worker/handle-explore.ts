/** Accuracy over MACs and latency, at several targets and by several ways of pruning, before anything is trained. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../common/errors.ts';
import { createExecutor } from '../engine/compute/backends.ts';
import { writeFileAtomically } from '../engine/files/atomic-write.ts';
import { exploreFrontier, FRONTIER_MODES } from '../engine/jobs/frontier.ts';
import { frontierCsv, frontierMarkdown, frontierSvg } from '../engine/jobs/frontier-report.ts';
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
  const { name } = model.graph;
  await mkdir(folder, { recursive: true });
  const write = async (file: string, text: string): Promise<string> => {
    await writeFileAtomically(path.join(folder, file), text);
    return path.join(folder, file);
  };
  await write('frontier.csv', frontierCsv(report));
  await write('frontier.svg', frontierSvg(report, name));
  const [heading, ...rest] = frontierMarkdown(report, name).split('\n');
  const picture = '![Accuracy over MACs and over latency](frontier.svg)';
  return {
    saved: await write('frontier.md', [heading, '', picture, ...rest].join('\n')),
    networks: report.points.length,
  };
};
