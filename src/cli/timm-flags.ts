/** The flags of the paper's convnext_train.py (timm's training script), so that its ConvNeXt recipes run as they stand. */
import { UsageError } from '../common/errors.ts';
import { type FlagValues, flag } from '../common/flags.ts';
import type { ScheduleName } from '../engine/training/schedules.ts';
import { INTERPOLATIONS, type TrainingOptions } from '../engine/training/training-options.ts';

const SCHEDULES = { cosine: 'cosineannealinglr', step: 'steplr' } as const satisfies Record<string, ScheduleName>;

export const timmFlags = {
  prunedModel: flag.string(undefined, "timm script: the pruned model's file; --model then only names its family"),
  sched: flag.choice(['cosine', 'step'], undefined, 'timm script: --lr-scheduler'),
  aa: flag.string(
    undefined,
    'timm script: RandAugment such as rand-m9-mstd0.5-inc1, as --auto-augment ra --ra-magnitude 9',
  ),
  trainInterpolation: flag.choice(INTERPOLATIONS, undefined, 'timm script: --interpolation'),
  gradAccumSteps: flag.integer(1, 'timm script: steps whose gradients are added up, taken as one larger batch here'),
};

type TimmValues = FlagValues<typeof timmFlags> & Pick<TrainingOptions, 'batchSize' | 'interpolation'>;

function magnitudeOf(policy: string): number {
  const magnitude = /^rand\b.*?-m(\d+)/.exec(policy)?.[1];
  if (magnitude === undefined)
    throw new UsageError(`--aa ${policy} is not known: it takes RandAugment with a magnitude, such as rand-m9.`);
  return Number(magnitude);
}

/** What timm's flags come to in ours. Throws UsageError for what has no counterpart. */
export function fromTimmFlags(values: TimmValues): Partial<TrainingOptions> {
  const { sched, aa, trainInterpolation, gradAccumSteps, interpolation, batchSize } = values;
  if (gradAccumSteps < 1) throw new UsageError(`--grad-accum-steps must be at least 1, not ${gradAccumSteps}`);
  if (trainInterpolation && interpolation && trainInterpolation !== interpolation)
    throw new UsageError('--train-interpolation and --interpolation must be the same');
  return {
    ...(sched && { lrScheduler: SCHEDULES[sched] }),
    // With a policy timm leaves the colour jitter out.
    ...(aa !== undefined && { autoAugment: 'ra', raMagnitude: magnitudeOf(aa), colorJitter: undefined }),
    ...(trainInterpolation && { interpolation: trainInterpolation }),
    ...(gradAccumSteps > 1 && { batchSize: batchSize * gradAccumSteps }),
  };
}
