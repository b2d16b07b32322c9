/** An exploration of the trade-off of a tiny network, for tests. */
import path from 'node:path';
import type { ExploreSettings } from '../../src/protocol/explore-values.ts';
import type { ModelSource, PlanSettings, ProgressReport } from '../../src/protocol/values.ts';
import { runExplore } from '../../src/worker/handle-explore.ts';
import { tinyImages, tinyModel, workFolder } from '../engine/training/tiny.ts';

const work = workFolder();

/** Explores at 60 % of the MACs; the report goes to `folder`. */
export async function explore(plan: PlanSettings) {
  const dataPath = await tinyImages(work);
  const source: ModelSource = { kind: 'file', path: tinyModel(dataPath) };
  const score = { criterion: 'l1', batches: 0, batchSize: 16, seed: 0 } as const;
  const settings: ExploreSettings = { dataPath, targets: ['60%'], images: 32, limit: 20, score };
  const reports: ProgressReport[] = [];
  const context = { signal: new AbortController().signal, progress: (report: ProgressReport) => reports.push(report) };
  const folder = path.join(work, 'report');
  return { reports, folder, result: await runExplore({ source, settings, plan, folder }, context as never) };
}
