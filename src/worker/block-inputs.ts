/** What whole blocks are scored by: the weights and gradients of the stage that can lose some, held beside the scores. */
import { needsGradients } from '../common/criteria.ts';
import { UserError } from '../common/errors.ts';
import type { RunContext } from '../common/progress.ts';
import { removalStage, removedWith } from '../engine/pruning/planning/blocks.ts';
import { ignoreLayers } from '../engine/pruning/planning/ignore.ts';
import type { BlockInputs } from '../engine/pruning/rebuilding/remove-layers.ts';
import type { GradientSource, ScoreOptions } from '../engine/pruning/scoring/importance.ts';
import type { ScoreSettings } from '../protocol/values.ts';
import type { OpenModel } from './open-models.ts';
import { scoresKey } from './score-cache.ts';

/** Names of the parameters of all blocks that can go. */
function blockParameters({ model: { graph } }: OpenModel): ReadonlySet<string> {
  const removable = removalStage(graph).filter(({ input }) => input !== undefined);
  return removedWith(
    graph,
    removable.map(({ path }) => path),
  ).parameters as ReadonlySet<string>;
}

/** The gradients of those parameters alone, as they were combined for scoring. */
export function blockGradients(open: OpenModel, source: GradientSource): GradientSource {
  if (source.kind === 'samples') return source;
  const kept = new Map([...blockParameters(open)].map((name) => [name, source.of(name)]));
  return { kind: 'combined', of: (name) => kept.get(name) };
}

function scoringOf(open: OpenModel, scores: ScoreSettings | null): ScoreOptions {
  // Without scores the plan is drawn by ratio alone, and so are its blocks.
  if (!scores) return { criterion: 'random' };
  const { criterion, seed } = scores;
  if (!needsGradients(criterion)) return { criterion, seed };
  const gradients = open.gradientsOf(scoresKey(scores));
  if (!gradients)
    throw new UserError(
      'Which blocks go depends on gradients, which are not kept with the scores: score the channels again while blocks are to be removed.',
    );
  return { criterion, seed, gradients };
}

/** Throws UserError where the gradients of these scores are not held. */
export async function blockInputs(
  open: OpenModel,
  scores: ScoreSettings | null,
  ignored: readonly string[],
  context: RunContext,
): Promise<BlockInputs> {
  const scoring = scoringOf(open, scores);
  const groups = ignoreLayers(open.groups, ignored);
  if (scoring.criterion === 'random') return { groups, weights: new Map(), scoring };
  const names = blockParameters(open);
  const weights = await open.model.weights(context);
  return { groups, weights: new Map([...weights].filter(([name]) => names.has(name))), scoring };
}
