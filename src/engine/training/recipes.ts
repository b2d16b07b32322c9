/** The settings of the paper's finetuning scripts, by family, and the linear learning-rate rule between batch sizes. */
import type { TrainingOptions } from './training-options.ts';

/**
 * `batchSize` is what one process of the scripts takes; `lrBatchSize` what all their processes take together, which is what
 * their learning rate is for.
 */
export const RECIPES = {
  /** scripts/finetuning/deit_*.sh: 8 processes of 256. */
  deit: {
    teacherModel: 'regnety_160.deit_in1k',
    epochs: 300,
    batchSize: 256,
    lrBatchSize: 2048,
    opt: 'adamw',
    lr: 5e-4,
    weightDecay: 0.05,
    lrScheduler: 'cosineannealinglr',
    lrWarmupMethod: 'linear',
    lrWarmupDecay: 0.033,
    labelSmoothing: 0.1,
    mixupAlpha: 0.8,
    cutmixAlpha: 1,
    autoAugment: 'ra',
    raSampler: true,
    randomErase: 0.25,
    interpolation: 'bicubic',
  },
  /** scripts/finetuning/resnet101_*.sh, resnet152_4.0G.sh: 4 processes of 256. */
  resnet: {
    epochs: 100,
    batchSize: 256,
    lrBatchSize: 1024,
    opt: 'sgd',
    lr: 0.04,
    weightDecay: 1e-4,
    lrScheduler: 'steplr',
    lrStepSize: 30,
    valResizeSize: 256,
    interpolation: 'bilinear',
  },
  /** scripts/finetuning/mobilenet_v2_0.15G.sh: 4 processes of 512. */
  mobilenet: {
    epochs: 300,
    batchSize: 512,
    lrBatchSize: 2048,
    opt: 'sgd',
    lr: 0.036,
    weightDecay: 2e-5,
    lrScheduler: 'cosineannealinglr',
    interpolation: 'bilinear',
  },
  /** scripts/finetuning/convnext_4.2G_official_script.sh (timm's training script): 8 processes of 256. */
  convnext: {
    epochs: 300,
    batchSize: 256,
    lrBatchSize: 2048,
    opt: 'adamw',
    lr: 2e-3,
    lrMin: 1e-6,
    weightDecay: 0.05,
    // timm's script decays no tensor of one dimension.
    normWeightDecay: 0,
    biasWeightDecay: 0,
    lrScheduler: 'cosineannealinglr',
    labelSmoothing: 0.1,
    mixupAlpha: 0.2,
    cutmixAlpha: 1,
    autoAugment: 'ra',
    randomErase: 0.25,
    modelEma: true,
    modelEmaDecay: 0.9999,
    modelEmaSteps: 1,
    drop: 0.1,
    stochasticDepth: 0.1,
    interpolation: 'bicubic',
  },
  /** Small images, minutes on a CPU: what the demo and the CIFAR figures use. */
  cifar: {
    epochs: 5,
    batchSize: 64,
    lrBatchSize: 64,
    opt: 'sgd',
    lr: 0.05,
    weightDecay: 5e-4,
    lrScheduler: 'onecycle',
    // Where there is a teacher: docs/finetuning.md has the figures.
    distillation: 'soft',
    distillationWeight: 0.9,
    distillationTemperature: 4,
  },
} as const satisfies Readonly<Record<string, Partial<TrainingOptions>>>;

export type RecipeName = keyof typeof RECIPES;
export const RECIPE_NAMES = Object.keys(RECIPES) as readonly RecipeName[];

type RateOptions = Pick<TrainingOptions, 'lr' | 'batchSize' | 'lrBatchSize'>;

/** The linear learning-rate rule (Goyal et al. 2017, section 2.1): k times the batch, k times the rate. */
export const linearRate = ({ lr, batchSize, lrBatchSize }: RateOptions): number => (lr * batchSize) / lrBatchSize;

/** The settings with the rule applied, where `--scale-lr` asks for it. */
export function withScaledRate(options: TrainingOptions): TrainingOptions {
  return options.scaleLr ? { ...options, lr: linearRate(options), scaleLr: false } : options;
}
