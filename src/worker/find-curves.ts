/** Error curves of a model's groups as plans use them: held, or kept on disk. */
import type { RunContext } from '../common/progress.ts';
import type { Executor } from '../engine/compute/executor.ts';
import { dataFor } from '../engine/jobs/evaluate.ts';
import { measureSensitivity } from '../engine/jobs/sensitivity-cache.ts';
import type { ErrorCurve } from '../engine/pruning/allocation/allocate.ts';
import type { SensitivitySettings } from '../protocol/sensitivity-values.ts';
import type { ScoreSettings } from '../protocol/values.ts';
import { NotCached } from './find-scores.ts';
import type { OpenModel } from './open-models.ts';
import { SCORES_FOLDER, scoresKey } from './score-cache.ts';
import { ScoresMissingError } from './wire-errors.ts';

/** The same text for settings that give the same curves. */
export const curvesKey = (scores: ScoreSettings, { dataPath, images }: SensitivitySettings): string =>
  JSON.stringify([scoresKey(scores), dataPath, images]);

/** Takes the curves from the cache, or measures them, and holds them. Throws ScoresMissingError where the scores are not held. */
export async function measureCurves(
  open: OpenModel,
  scores: ScoreSettings,
  { dataPath, images }: SensitivitySettings,
  executor: () => Promise<Executor>,
  context: RunContext,
): Promise<readonly ErrorCurve[]> {
  const held = open.scoresOf(scoresKey(scores));
  if (!held) throw new ScoresMissingError('These scores are not held any more: score the channels again.');
  const request = dataFor(open.model, { dataPath, images, seed: 0 });
  const inputs = { groups: open.groups, weights: await open.model.weights(context), scores: held, images: request };
  const curves = await measureSensitivity(inputs, executor, context, SCORES_FOLDER);
  open.keepCurves(curvesKey(scores, { dataPath, images }), curves);
  return curves;
}

/** Curves that need no measuring; undefined where there are none. */
export async function findCurves(
  open: OpenModel,
  scores: ScoreSettings,
  settings: SensitivitySettings,
  context: RunContext,
): Promise<readonly ErrorCurve[] | undefined> {
  const known = open.curvesOf(curvesKey(scores, settings));
  if (known) return known;
  const none = async (): Promise<never> => {
    throw new NotCached();
  };
  return measureCurves(open, scores, settings, none, context).catch((error: unknown) => {
    if (error instanceof NotCached) return undefined;
    throw error;
  });
}
