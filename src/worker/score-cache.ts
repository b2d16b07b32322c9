/** Scores as the host names them, and where they are kept on disk. */

import { needsGradients } from '../common/criteria.ts';
import type { ScoreRequest } from '../engine/jobs/scores.ts';
import type { ScoreSettings } from '../protocol/values.ts';

/** Folder that the host gives this workspace; scores survive the worker there. */
export const SCORES_FOLDER = process.env['ESPALIER_SCORES'];

/** The same text for settings that give the same scores. */
export function scoresKey({ criterion, dataPath, batches, batchSize, seed, gradients }: ScoreSettings): string {
  if (gradients !== undefined) return JSON.stringify([criterion, gradients]);
  return JSON.stringify(
    needsGradients(criterion) ? [criterion, dataPath, batches, batchSize, seed] : [criterion, seed],
  );
}

export function scoreRequest(settings: ScoreSettings): ScoreRequest {
  const { criterion, dataPath, batches, batchSize, seed, gradients } = settings;
  if (gradients !== undefined) return { criterion, seed, gradientFiles: [gradients] };
  return {
    criterion,
    seed,
    ...(SCORES_FOLDER && { cache: SCORES_FOLDER }),
    ...(needsGradients(criterion) && dataPath && { data: { dataPath, batches, batchSize, seed } }),
  };
}
