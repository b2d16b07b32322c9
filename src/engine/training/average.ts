/** Moving average of the weights, with the paper's adjustment and warm-up (torch.optim.swa_utils.AveragedModel). */
import type { TrainingOptions } from './training-options.ts';

type AverageOptions = Pick<
  TrainingOptions,
  'modelEma' | 'modelEmaDecay' | 'modelEmaSteps' | 'batchSize' | 'epochs' | 'lrWarmupEpochs'
>;

/** Decay after the adjustment that keeps it independent of batch size and epochs. */
export function averageDecay(options: AverageOptions): number {
  const adjust = (options.batchSize * options.modelEmaSteps) / options.epochs;
  return 1 - Math.min(1, (1 - options.modelEmaDecay) * adjust);
}

/**
 * Decay of the update after a step, or undefined when the step has none. The first update copies the weights, and so do
 * all of the warm-up epochs.
 *
 * @param updates how many updates there were since the last that copied in the warm-up
 */
export function decayAtStep(options: AverageOptions, step: number, updates: number): number | undefined {
  if (!options.modelEma || step % options.modelEmaSteps !== 0) return undefined;
  return updates === 0 ? 0 : averageDecay(options);
}

/** Count of updates after one in this epoch: the warm-up keeps starting afresh. */
export const updatesAfter = (options: AverageOptions, epoch: number, updates: number): number =>
  epoch < options.lrWarmupEpochs ? 0 : updates + 1;
