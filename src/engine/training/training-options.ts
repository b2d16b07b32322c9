/** Settings of a finetuning run: the flags of the paper's train.py by the same names and defaults, and Espalier's own. */
import { type FlagValues, flag } from '../../common/flags.ts';
import { SCHEDULE_NAMES } from './schedules.ts';

export const OPTIMIZER_NAMES = ['sgd', 'sgd_nesterov', 'rmsprop', 'adamw'] as const;
export const INTERPOLATIONS = ['nearest', 'bilinear', 'bicubic', 'lanczos'] as const;

export const trainingFlags = {
  teacherModel: flag.string(undefined, 'distil from this model, or imitate it: a file or a zoo name', {
    aliases: ['teacher'],
  }),
  imitate: flag.boolean(
    "learn the teacher's raw outputs, whatever the task: with the dense model for --teacher, on images without labels",
  ),
  teacherCkpt: flag.string(undefined, 'weights of a teacher given by name'),
  distillation: flag.choice(
    ['hard', 'soft'],
    'hard',
    'teacher: its arg-max (the paper), or its softened probabilities',
  ),
  distillationWeight: flag.number(0.5, 'share of the distillation loss'),
  distillationTemperature: flag.number(1, 'temperature of soft distillation'),
  teacherCache: flag.string(undefined, 'compute the teacher outputs once and keep them here; needs --no-augment'),

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
  labelSmoothing: flag.number(0, 'label smoothing', { aliases: ['smoothing'] }),
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
  resume: flag.string(undefined, 'continue the run of this folder or `latest` checkpoint, with its settings'),
  overwrite: flag.boolean('begin anew in a folder that holds a run already'),
  startEpoch: flag.integer(0, 'first epoch of a new run, counted from 0: earlier ones are left out of the schedule'),
  checkpointInterval: flag.integer(10, 'also keep the weights every so many epochs; 0 for never'),
  saveInterval: flag.number(10, 'minutes of training after which `latest` is saved within an epoch too'),
  printFreq: flag.integer(50, 'steps between printed lines'),
  testOnly: flag.boolean('evaluate only: nothing is written'),

  autoAugment: flag.choice(['ra', 'ta_wide', 'augmix', 'imagenet'], undefined, 'augmentation policy'),
  raMagnitude: flag.integer(9, 'magnitude of ra'),
  augmixSeverity: flag.integer(3, 'severity of augmix'),
  randomErase: flag.number(0, 'probability of erasing a box', { aliases: ['reprob'] }),
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

  amp: flag.boolean(
    'matrix products and forward convolutions in bfloat16, on TensorFlow: numbers change in their third digit',
  ),
  clipGradNorm: flag.number(undefined, 'largest norm of the gradient'),
  modelEma: flag.boolean('keep a moving average of the weights'),
  modelEmaSteps: flag.integer(32, 'steps between updates of the average'),
  modelEmaDecay: flag.number(0.99998, 'decay of the average, before the adjustment for batch size and epochs'),
  stochasticDepth: flag.number(undefined, 'drop-path rate of the last block (default: what the model was saved with)', {
    aliases: ['drop-path'],
  }),
  drop: flag.number(undefined, "dropout before the classifier (default: the model's own)"),
  bnRecalibrate: flag.integer(0, 'before training, average the batch norm statistics anew over so many batches'),
  seed: flag.integer(0, 'seed of order, augmentation and dropout'),
  maxSteps: flag.integer(undefined, 'end every epoch after so many steps'),
};

export type TrainingOptions = FlagValues<typeof trainingFlags>;
