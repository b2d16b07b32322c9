/** Scores as the host names them, and where they are kept on disk. */

import { needsGradients } from '../common/criteria.ts';
import type { ScoreRequest } from '../engine/jobs/scores.ts';
import type { ScoreSettings } from '../protocol/values.ts';

/** Folder that the host gives this workspace; scores survive the worker there. */
const FOLDER = process.env['ESPALIER_SCORES'];

/** The same text for settings that give the same scores. */
export function scoresKey({ criterion, dataPath, batches, batchSize, seed }: ScoreSettings): string {
  return JSON.stringify(
    needsGradients(criterion) ? [criterion, dataPath, batches, batchSize, seed] : [criterion, seed],
  );
}

export function scoreRequest({ criterion, dataPath, batches, batchSize, seed }: ScoreSettings): ScoreRequest {
  return {
    criterion,
    seed,
    ...(FOLDER && { cache: FOLDER }),
    ...(needsGradients(criterion) && dataPath && { data: { dataPath, batches, batchSize, seed } }),
  };
}
