/** The programs of a finetuning run, from its settings. */
import type { OptimizerOptions } from '../compute/programs/optimizers.ts';
import type { Program } from '../compute/programs/program.ts';
import { AVERAGE_PREFIX, averageProgram, predictProgram, trainProgram } from '../compute/programs/programs.ts';
import type { Graph } from '../graph/graph.ts';
import type { OPTIMIZER_NAMES, TrainingOptions } from './training-options.ts';
import { weightDecayOf } from './weight-decay.ts';

type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

const optimizerSettings: { readonly [K in OptimizerName]: (options: TrainingOptions) => OptimizerOptions } = {
  sgd: ({ momentum }) => ({ kind: 'sgd', momentum }),
  sgd_nesterov: ({ momentum }) => ({ kind: 'sgd', momentum, nesterov: true }),
  // eps and alpha as the paper's train.py gives them.
  rmsprop: ({ momentum }) => ({ kind: 'rmsprop', momentum, eps: 0.0316, alpha: 0.9 }),
  adamw: () => ({ kind: 'adamw' }),
};

export const optimizerOf = (options: TrainingOptions): OptimizerOptions => optimizerSettings[options.opt](options);

export const isMixing = ({ mixupAlpha, cutmixAlpha }: TrainingOptions): boolean => mixupAlpha > 0 || cutmixAlpha > 0;

export type FinetuneProgram = 'train' | 'predict' | 'average' | 'predictAverage';

/** A network in training and in evaluation, where images may have another size; the parameters are the same. */
export interface FinetuneGraphs {
  readonly training: Graph;
  readonly evaluation: Graph;
}

/** Programs that share one set of weights; those of the moving average only where it is kept. */
export function finetunePrograms(
  { training, evaluation }: FinetuneGraphs,
  options: TrainingOptions,
  hasTeacher: boolean,
): Readonly<Record<FinetuneProgram, Program>> | Readonly<Record<'train' | 'predict', Program>> {
  const train = trainProgram(training, {
    optimizer: optimizerOf(options),
    loss: options.imitate
      ? { targets: 'imitation' }
      : { targets: isMixing(options) ? 'soft' : 'labels', labelSmoothing: options.labelSmoothing },
    weightDecay: weightDecayOf(training, options),
    ...(options.clipGradNorm !== undefined && { clipNorm: options.clipGradNorm }),
    ...(hasTeacher &&
      !options.imitate && {
        distillation: {
          kind: options.distillation,
          weight: options.distillationWeight,
          temperature: options.distillationTemperature,
        },
      }),
  });
  const programs = { train, predict: predictProgram(evaluation) };
  if (!options.modelEma) return programs;
  return {
    ...programs,
    average: averageProgram(evaluation),
    predictAverage: predictProgram(evaluation, { statePrefix: AVERAGE_PREFIX }),
  };
}
