/** Scores that need no computing: held, kept on disk, or of weights alone. */
import { existsSync } from 'node:fs';
import type { RunContext } from '../common/progress.ts';
import { scoreModel, scoringFor } from '../engine/jobs/scores.ts';
import type { ScoreSettings } from '../protocol/values.ts';
import type { OpenModel } from './open-models.ts';
import { scoreRequest, scoresKey } from './score-cache.ts';

/** Stands for the executor where something must come from the cache: asking for it says that it is not there. */
export class NotCached extends Error {}

/** Makes sure that the scores are held: they may have been computed in an earlier life of this process. */
export async function findScores(open: OpenModel, settings: ScoreSettings, context: RunContext): Promise<boolean> {
  if (open.scoresOf(scoresKey(settings))) return true;
  // The run that had them computed was removed.
  if (settings.gradients !== undefined && !existsSync(settings.gradients)) return false;
  const executor = async (): Promise<never> => {
    throw new NotCached();
  };
  try {
    const weights = await open.model.weights(context);
    const { scores } = await scoreModel(
      open.groups,
      weights,
      scoringFor(open.model, scoreRequest(settings)),
      executor,
      context,
    );
    open.keepScores(scoresKey(settings), scores);
    return true;
  } catch (error) {
    if (error instanceof NotCached) return false;
    throw error;
  }
}
