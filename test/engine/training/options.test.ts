/** The flags of the paper's train.py, by name and default; what differs is listed with its reason. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlags } from '../../../src/common/flags.ts';
import { linearRate, RECIPES, withScaledRate } from '../../../src/engine/training/recipes.ts';
import { type TrainingOptions, trainingFlags } from '../../../src/engine/training/training-options.ts';

/** argparse defaults of train.py (VainF/Isomorphic-Pruning), by flag; undefined for None. */
const PAPER: Readonly<Record<string, unknown>> = {
  'teacher-model': undefined,
  'batch-size': 32,
  epochs: 90,
  opt: 'sgd',
  lr: 0.1,
  momentum: 0.9,
  'weight-decay': 1e-4,
  wd: 1e-4,
  'norm-weight-decay': undefined,
  'bias-weight-decay': undefined,
  'transformer-embedding-decay': undefined,
  'label-smoothing': 0,
  'mixup-alpha': 0,
  'cutmix-alpha': 0,
  'lr-scheduler': 'steplr',
  'lr-warmup-epochs': 0,
  'lr-warmup-method': 'constant',
  'lr-warmup-decay': 0.01,
  'lr-step-size': 30,
  'lr-gamma': 0.1,
  'lr-min': 0,
  'print-freq': 50,
  'start-epoch': 0,
  'test-only': false,
  'auto-augment': undefined,
  'ra-magnitude': 9,
  'augmix-severity': 3,
  'random-erase': 0,
  'color-jitter': undefined,
  amp: false,
  'model-ema': false,
  'model-ema-steps': 32,
  'model-ema-decay': 0.99998,
  'clip-grad-norm': undefined,
  'ra-sampler': false,
  'ra-reps': 3,
  'checkpoint-interval': 10,
  'no-imagenet-mean-std': false,
};

/** Flags whose default is not a number that suits every model and machine, as it is there (8, 224, 256, bicubic, `output`, 0). */
const OWN_DEFAULT = [
  'workers',
  'interpolation',
  'val-resize-size',
  'val-crop-size',
  'train-crop-size',
  'output-dir',
  'resume',
  'stochastic-depth',
];

const parsed = (flag: string, value?: string): TrainingOptions =>
  parseFlags(trainingFlags, [value === undefined ? `--${flag}` : `--${flag}=${value}`]).values;
const keyOf = (flag: string, value?: string): keyof TrainingOptions => {
  const [key] = parseFlags(trainingFlags, [value === undefined ? `--${flag}` : `--${flag}=${value}`]).given;
  return key;
};
const SAMPLES: Readonly<Record<string, string>> = {
  opt: 'adamw',
  'lr-scheduler': 'steplr',
  'lr-warmup-method': 'linear',
  'auto-augment': 'ra',
  interpolation: 'bicubic',
};

for (const [flag, initial] of Object.entries(PAPER))
  test(`--${flag} is ${initial ?? 'off'} unless given`, () => {
    const key = keyOf(flag, typeof initial === 'boolean' ? undefined : (SAMPLES[flag] ?? '1'));
    assert.equal(parseFlags(trainingFlags, []).values[key], initial);
  });

test('flags with a default of our own are there all the same', () => {
  for (const flag of OWN_DEFAULT) {
    const value = SAMPLES[flag] ?? '1';
    assert.equal(String(parsed(flag, value)[keyOf(flag, value)]), value, flag);
  }
});

test('the values that train.py takes are taken', () => {
  for (const [flag, values] of [
    ['opt', ['sgd', 'sgd_nesterov', 'rmsprop', 'adamw']],
    ['lr-scheduler', ['steplr', 'cosineannealinglr', 'exponentiallr']],
    ['lr-warmup-method', ['linear', 'constant']],
    ['auto-augment', ['ra', 'ta_wide', 'augmix', 'imagenet']],
    ['interpolation', ['nearest', 'bilinear', 'bicubic']],
  ] as const)
    for (const value of values) assert.equal(parsed(flag, value)[keyOf(flag, value)], value);
});

test('short and old names', () => {
  const { values } = parseFlags(trainingFlags, '-b 7 -j 3 --wd 0.5 --val-resize 12 --no_imagenet_mean_std'.split(' '));
  assert.deepEqual(
    [values.batchSize, values.workers, values.weightDecay, values.valResizeSize, values.noImagenetMeanStd],
    [7, 3, 0.5, 12, true],
  );
});

test('recipes say which batch size their rate is for, and the linear rule follows', () => {
  for (const recipe of Object.values(RECIPES)) assert.ok(recipe.lrBatchSize >= recipe.batchSize);
  const options = { ...parseFlags(trainingFlags, []).values, ...RECIPES.deit, batchSize: 64 };
  assert.equal(linearRate(options), 5e-4 / 32);
  assert.equal(withScaledRate(options).lr, 5e-4);
  const scaled = withScaledRate({ ...options, scaleLr: true });
  assert.equal(scaled.lr, 5e-4 / 32);
  // What run.json keeps is not scaled again when the run is resumed.
  assert.deepEqual(withScaledRate(scaled), scaled);
});
