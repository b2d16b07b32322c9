/** What an exploration of the trade-off is refused for; test/full/trade-off.test.ts has one that is carried out. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import type { ExploreSettings } from '../../src/protocol/explore-values.ts';
import { DEFAULT_PLAN, type ModelSource, type PlanSettings, type ProgressReport } from '../../src/protocol/values.ts';
import { runExplore } from '../../src/worker/handle-explore.ts';
import { tinyImages, tinyModel, workFolder } from '../engine/training/tiny.ts';

const work = workFolder();
let source: ModelSource;
let settings: ExploreSettings;

before(async () => {
  const dataPath = await tinyImages(work);
  source = { kind: 'file', path: tinyModel(dataPath) };
  const score = { criterion: 'l1', batches: 0, batchSize: 16, seed: 0 } as const;
  settings = { dataPath, targets: ['60%'], images: 32, limit: 20, score };
});

async function explore(plan: PlanSettings) {
  const reports: ProgressReport[] = [];
  const context = { signal: new AbortController().signal, progress: (report: ProgressReport) => reports.push(report) };
  const folder = path.join(work, 'report');
  return { reports, folder, result: await runExplore({ source, settings, plan, folder }, context as never) };
}

test('what the exploration would not respect is refused', async () => {
  for (const change of [{ removeLayers: 1 }, { scopeRatios: { conv1: 0.5 } }])
    await assert.rejects(explore({ ...DEFAULT_PLAN, ...change }), /free the scopes .* blocks to remove to 0/);
});
