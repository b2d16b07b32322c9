/** The paper's finetuning scripts (scripts/finetuning/*.sh) with the program's name changed: every flag is taken, and gives what it gave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finetuneFlags, finetuneRequest, remarks } from '../../src/cli/finetune-settings.ts';
import { flagDefaults, parseFlags } from '../../src/support/flags.ts';
import { type TrainingOptions, trainingFlags } from '../../src/training/options.ts';
import { RECIPES } from '../../src/training/recipes.ts';
import { FINETUNING_SCRIPTS, type ScriptName } from './finetune-scripts.ts';

/** The recipe of a script's family, and where the script differs from the recipe. */
const expected: { readonly [K in ScriptName]: readonly [keyof typeof RECIPES, Partial<TrainingOptions>] } = {
  'deit_0.6G.sh': ['deit', { batchSize: 512 }],
  'deit_1.2G.sh': ['deit', {}],
  'deit_2.6G.sh': ['deit', {}],
  'deit_4.2G.sh': ['deit', {}],
  'resnet101_3.8G.sh': ['resnet', {}],
  'resnet101_4.5G.sh': ['resnet', {}],
  'resnet152_4.0G.sh': ['resnet', {}],
  'resnet50_2.0G.sh': ['resnet', { batchSize: 64 }],
  'mobilenet_v2_0.15G.sh': ['mobilenet', {}],
  'convnext_4.2G_official_script.sh': ['convnext', {}],
  'convnext_8.5G_official_script.sh': ['convnext', { stochasticDepth: 0.4 }],
};

/** Defaults of timm's script, which are not those of train.py and not flags of the ConvNeXt scripts. */
const TIMM_DEFAULTS = new Set(['lrMin', 'normWeightDecay', 'biasWeightDecay', 'modelEmaSteps', 'interpolation']);
/** Of the machine, or said once for a family. */
const APART = new Set(['amp', 'outputDir', 'lrBatchSize', 'colorJitter']);

const parse = (line: string) => parseFlags(finetuneFlags, line.split(' '));

for (const [script, [name, differences]] of Object.entries(expected) as [ScriptName, (typeof expected)[ScriptName]][])
  test(`finetune takes ${script}, the recipe ${name}`, async () => {
    const { values, given, positionals } = parse(FINETUNING_SCRIPTS[script]);
    assert.deepEqual(positionals, []);
    const { model, dataPath, options } = await finetuneRequest(values, given, positionals);
    assert.match(model.model, /^output\/pruned\/.*\.pth$/);
    assert.equal(dataPath, 'data/imagenet');
    assert.match(options.outputDir ?? '', /^output\//);
    assert.equal(options.amp, true);
    const wanted: TrainingOptions = { ...flagDefaults(trainingFlags), ...RECIPES[name], ...differences };
    for (const key of Object.keys(trainingFlags) as (keyof TrainingOptions)[])
      if (!APART.has(key) && !(name === 'convnext' && TIMM_DEFAULTS.has(key)))
        assert.equal(options[key], wanted[key], `--${key}`);
  });

test('a recipe by name gives its settings, single flags change them', async () => {
  const { values, given } = parse('--recipe deit --lr 1e-3 --model m.pth --data-path d');
  const { options } = await finetuneRequest(values, given, []);
  assert.equal(options.lr, 1e-3);
  assert.equal(options.mixupAlpha, 0.8);
  assert.equal(options.teacherModel, 'regnety_160.deit_in1k');
  assert.equal(options.momentum, 0.9);
});

test("the linear rule is offered for the recipe's own rate, not for one that is given", async () => {
  const said = async (line: string): Promise<string[]> => {
    const { values, given, positionals } = parse(`--model m.pth ${line}`);
    return remarks(values, given, (await finetuneRequest(values, given, positionals)).options);
  };
  assert.match((await said('--recipe resnet --batch-size 64')).join(), /--scale-lr would make it 0\.04 × 64 \/ 1024/);
  assert.deepEqual(await said('--recipe resnet --batch-size 64 --lr 0.01'), []);
  assert.match((await said('--recipe resnet --batch-size 64 --scale-lr')).join(), /by the linear rule: .* = 0\.0025/);
});

/** Name and default of every flag of the paper's train.py that means something on one machine. */
const TRAIN_PY: Readonly<Record<string, number | string | boolean | undefined>> = {
  'teacher-model': undefined,
  'data-path': 'data/imagenet',
  'batch-size': 32,
  epochs: 90,
  opt: 'sgd',
  lr: 0.1,
  momentum: 0.9,
  'weight-decay': 1e-4,
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
  no_imagenet_mean_std: false,
};
/** Flags of train.py whose default is the model's own here, or the machine's. */
const OWN_DEFAULTS =
  'model workers output-dir resume interpolation val-resize-size val-crop-size train-crop-size stochastic-depth';

test("train.py's flags have its names and defaults", () => {
  const defaults = flagDefaults(finetuneFlags) as Readonly<Record<string, unknown>>;
  const keyOf = (name: string): string => name.replace(/[-_]([a-z])/g, (_, letter: string) => letter.toUpperCase());
  for (const [name, value] of Object.entries(TRAIN_PY)) {
    assert.ok(keyOf(name) in defaults, `--${name}`);
    assert.equal(defaults[keyOf(name)], value, `--${name}`);
  }
  for (const name of OWN_DEFAULTS.split(' ')) assert.ok(keyOf(name) in defaults, `--${name}`);
  assert.deepEqual(parse('-b 8 -j 3 --wd 0.1').values.weightDecay, 0.1);
});
