/** The training between the steps of an iterative pruning: its settings, and what is said of it. */

import { flagDefaults } from '../common/flags.ts';
import { formatPreciseCount } from '../common/format.ts';
import type { IterativeHooks } from '../engine/jobs/iterative.ts';
import { RECIPES, type RecipeName } from '../engine/training/recipes.ts';
import { type TrainingOptions, trainingFlags } from '../engine/training/training-options.ts';
import { describePrepared, metricsPrinter } from './finetune-output.ts';
import { say } from './terminal.ts';

type Training = Pick<TrainingOptions, 'workers' | 'interpolation' | 'noImagenetMeanStd' | 'seed'>;

export interface IterativeFlags extends Training {
  readonly recipe: RecipeName;
  readonly finetuneEpochs: number | undefined;
  readonly finetuneLr: number | undefined;
  readonly valResize: number | undefined;
}

/** The recipe without its teacher, with what the command line says of epochs, rate and images. */
export function trainingBetween(flags: IterativeFlags): TrainingOptions {
  const { recipe, finetuneEpochs, finetuneLr, workers, interpolation, noImagenetMeanStd, seed, valResize } = flags;
  return {
    ...flagDefaults(trainingFlags),
    ...RECIPES[recipe],
    teacherModel: undefined,
    workers,
    noImagenetMeanStd,
    seed,
    ...(interpolation !== undefined && { interpolation }),
    ...(valResize !== undefined && { valResizeSize: valResize }),
    ...(finetuneEpochs !== undefined && { epochs: finetuneEpochs }),
    ...(finetuneLr !== undefined && { lr: finetuneLr }),
  };
}

/** Says what every step comes to, and how its training goes. */
export function iterativeHooks(steps: number, training: TrainingOptions): IterativeHooks {
  return {
    onPruned: (step, { before, after }) => {
      const macs = `${formatPreciseCount(before.macs)} → ${formatPreciseCount(after.macs)} MACs`;
      say(`pruning ${step} of ${steps}: ${macs}${step < steps ? ', then training' : ''}`);
    },
    onPrepared: (prepared) => describePrepared(prepared).forEach(say),
    onStart: (directory) => say(`run: ${directory}`),
    onMetrics: metricsPrinter(training.printFreq),
  };
}
