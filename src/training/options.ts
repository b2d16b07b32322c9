/** Settings of a finetuning run: the flags of the paper's train.py by the same names and defaults, and Espalier's own. */
import { flag, type FlagValues } from '../support/flags.ts';
import { SCHEDULE_NAMES } from './schedules.ts';

export const OPTIMIZER_NAMES = ['sgd', 'sgd_nesterov', 'rmsprop', 'adamw'] as const;
export const INTERPOLATIONS = ['nearest', 'bilinear', 'bicubic', 'lanczos'] as const;

export const trainingFlags = {
  teacherModel: flag.string(undefined, 'distil from this model: a file or a zoo name'),
  teacherCkpt: flag.string(undefined, 'weights of a teacher given by name'),
  distillation: flag.choice(
    ['hard', 'soft'],
    'hard',
    'teacher: its arg-max (the paper), or its softened probabilities',
  ),
  distillationWeight: flag.number(0.5, 'share of the distillation loss'),
  distillationTemperature: flag.number(1, 'temperature of soft distillation'),
  teacherCache: flag.string(undefined, 'keep the teacher outputs in this file, for fixed augmentations'),

  batchSize: flag.integer(32, 'images a step', { aliases: ['b', 'train-batch-size'] }),
  epochs: flag.integer(90, 'epochs in all'),
  workers: flag.integer(undefined, 'decoding threads (default: cores − 1)', { aliases: ['j'] }),
  opt: flag.choice(OPTIMIZER_NAMES, 'sgd', 'optimizer'),
  lr: flag.number(0.1, 'base learning rate'),
  momentum: flag.number(0.9, 'momentum of sgd and rmsprop'),
  weightDecay: flag.number(1e-4, 'weight decay', { aliases: ['wd'] }),
  normWeightDecay: flag.number(undefined, 'weight decay of norms (default: --weight-decay)'),
  biasWeightDecay: flag.number(undefined, 'weight decay of biases (default: --weight-decay)'),
  transformerEmbeddingDecay: flag.number(undefined, 'weight decay of class tokens, position embeddings, bias tables'),
  labelSmoothing: flag.number(0, 'label smoothing'),
  mixupAlpha: flag.number(0, 'mixup, 0 is off'),
  cutmixAlpha: flag.number(0, 'cutmix, 0 is off'),

  lrScheduler: flag.choice(SCHEDULE_NAMES, 'steplr', 'learning-rate schedule'),
  lrWarmupEpochs: flag.integer(0, 'epochs of warm-up'),
  lrWarmupMethod: flag.choice(['linear', 'constant'], 'constant', 'warm-up'),
  lrWarmupDecay: flag.number(0.01, 'factor that the warm-up starts from'),
  lrStepSize: flag.integer(30, 'steplr: epochs between decays'),
  lrGamma: flag.number(0.1, 'steplr, exponentiallr: factor of a decay'),
  lrMin: flag.number(0, 'cosineannealinglr: final rate'),
  scaleLr: flag.boolean('scale --lr by batch size / --lr-batch-size (the linear rule)'),
  lrBatchSize: flag.integer(256, 'batch size that --lr is meant for, with --scale-lr'),

  outputDir: flag.string(undefined, 'folder of the run (default: .espalier/runs/<time>-<model>)'),
  resume: flag.string(undefined, 'continue the run of this folder or `latest` checkpoint'),
  startEpoch: flag.integer(0, 'first epoch'),
  checkpointInterval: flag.integer(10, 'also keep the weights every so many epochs'),
  printFreq: flag.integer(50, 'steps between progress lines'),
  testOnly: flag.boolean('evaluate only'),

  autoAugment: flag.choice(['ra', 'ta_wide', 'augmix', 'imagenet'], undefined, 'augmentation policy'),
  raMagnitude: flag.integer(9, 'magnitude of ra'),
  augmixSeverity: flag.integer(3, 'severity of augmix'),
  randomErase: flag.number(0, 'probability of erasing a box'),
  colorJitter: flag.number(undefined, 'strength of colour jitter'),
  noAugment: flag.boolean('train on the images as evaluation sees them: no crop, no flip'),
  hflip: flag.number(0.5, 'probability of a horizontal flip'),
  raSampler: flag.boolean('repeated augmentation'),
  raReps: flag.integer(3, 'repetitions of --ra-sampler'),
  interpolation: flag.choice(INTERPOLATIONS, undefined, "resizing (default: the model's; the paper: bicubic)"),
  valResizeSize: flag.integer(undefined, "shorter side before the crop (default: the model's)", {
    aliases: ['val-resize'],
  }),
  valCropSize: flag.integer(undefined, "side of the centre crop (default: the model's)"),
  trainCropSize: flag.integer(undefined, "side of the random crop (default: the model's)"),
  noImagenetMeanStd: flag.boolean('normalise by mean and std 0.5 instead of ImageNet'),

  amp: flag.boolean('bfloat16 products where the device has them (changes the 4th digit)'),
  clipGradNorm: flag.number(undefined, 'largest norm of the gradient'),
  modelEma: flag.boolean('keep a moving average of the weights'),
  modelEmaSteps: flag.integer(32, 'steps between updates of the average'),
  modelEmaDecay: flag.number(0.99998, 'decay of the average, before the adjustment for batch size and epochs'),
  stochasticDepth: flag.number(undefined, 'drop-path rate of the last block (default: what the model was saved with)'),
  drop: flag.number(0, 'dropout before the classifier'),
  seed: flag.integer(0, 'seed of order, augmentation and dropout'),
  maxSteps: flag.integer(undefined, 'stop after so many steps of an epoch'),
};

export type TrainingOptions = FlagValues<typeof trainingFlags>;

/** The settings of the paper's finetuning scripts, by family (for the batch size that they name). */
export const RECIPES = {
  deit: {
    teacherModel: 'regnety_160.deit_in1k',
    epochs: 300,
    batchSize: 256,
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
  resnet: {
    epochs: 100,
    batchSize: 256,
    opt: 'sgd',
    lr: 0.04,
    weightDecay: 1e-4,
    lrScheduler: 'steplr',
    lrStepSize: 30,
    valResizeSize: 256,
    interpolation: 'bilinear',
  },
  mobilenet: {
    epochs: 300,
    batchSize: 512,
    opt: 'sgd',
    lr: 0.036,
    weightDecay: 2e-5,
    lrScheduler: 'cosineannealinglr',
    interpolation: 'bilinear',
  },
  convnext: {
    epochs: 300,
    batchSize: 256,
    opt: 'adamw',
    lr: 2e-3,
    weightDecay: 0.05,
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
    opt: 'sgd',
    lr: 0.05,
    weightDecay: 5e-4,
    lrScheduler: 'onecycle',
  },
} as const satisfies Readonly<Record<string, Partial<TrainingOptions>>>;

export type RecipeName = keyof typeof RECIPES;
export const RECIPE_NAMES = Object.keys(RECIPES) as readonly RecipeName[];
