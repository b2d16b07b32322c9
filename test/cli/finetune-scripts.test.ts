/** The paper's finetuning scripts (scripts/finetuning/*.sh) with the program's name changed: every flag is taken, and gives what it gave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finetuneFlags, finetuneRequest } from '../../src/cli/finetune-settings.ts';
import { flagDefaults, parseFlags } from '../../src/support/flags.ts';
import { type TrainingOptions, trainingFlags } from '../../src/training/options.ts';
import { RECIPES } from '../../src/training/recipes.ts';

const deit = (size: string, batch: number): string =>
  `--model output/pruned/deit_${size}.pth --teacher-model regnety_160.deit_in1k --epochs 300 --batch-size ${batch} --opt adamw --lr 0.0005 --wd 0.05 --lr-scheduler cosineannealinglr --lr-warmup-method linear --lr-warmup-epochs 0 --lr-warmup-decay 0.033 --amp --label-smoothing 0.1 --mixup-alpha 0.8 --auto-augment ra --ra-sampler --random-erase 0.25 --cutmix-alpha 1.0 --data-path data/imagenet --output-dir output/finetuned/deit_${size} --interpolation bicubic`;
const resnet = (model: string, batch: number): string =>
  `--data-path data/imagenet --model output/pruned/${model}.pth --epochs 100 --batch-size ${batch} --opt sgd --lr-scheduler steplr --lr-step-size 30 --lr 0.04 --weight-decay 1e-4 --amp --output output/finetuned/${model} --val-resize 256 --interpolation bilinear`;
const convnext = (size: string, more: string): string =>
  `--data-dir data/imagenet --model convnext_base.fb_in1k --pruned-model output/pruned/convnext_${size}.pth --epochs 300 --opt adamw --lr 2e-3 --weight-decay 0.05 --sched cosine --amp --smoothing 0.1 --aa rand-m9-mstd0.5-inc1 --reprob 0.25 --drop 0.1 --mixup 0.2 --cutmix 1.0 --output output/finetuned/connext_${size} --model-ema --model-ema-decay 0.9999 ${more}`;

/** Script, its flags, the recipe of its family, and where the script differs from the recipe. */
const scripts: readonly (readonly [string, keyof typeof RECIPES, Partial<TrainingOptions>])[] = [
  [deit('0.6G', 512), 'deit', { batchSize: 512 }],
  [deit('1.2G', 256), 'deit', {}],
  [deit('2.6G', 256), 'deit', {}],
  [deit('4.2G', 256), 'deit', {}],
  [resnet('resnet101_3.8G', 256), 'resnet', {}],
  [resnet('resnet101_4.5G', 256), 'resnet', {}],
  [resnet('resnet152_4.0G', 256), 'resnet', {}],
  [resnet('resnet50_2.0G', 64), 'resnet', { batchSize: 64 }],
  [
    '--model output/pruned/mobilenet_v2_0.15G.pth --epochs 300 --batch-size 512 --wd 0.00002 --lr=0.036 --lr-scheduler=cosineannealinglr --lr-warmup-epochs=0 --output-dir output/finetuned/mobilenet_v2_0.15G --interpolation bilinear --amp --data-path data/imagenet',
    'mobilenet',
    {},
  ],
  [convnext('4.2G', '--batch-size 256 --drop-path 0.1 --color-jitter 0.0'), 'convnext', {}],
  [
    convnext(
      '8.5G',
      '--batch-size 128 --grad-accum-steps 2 --drop-path 0.4 --color-jitter 0.4 --interpolation bicubic --train-interpolation bicubic',
    ),
    'convnext',
    { stochasticDepth: 0.4 },
  ],
];

/** Defaults of timm's script, which are not those of train.py and not flags of the ConvNeXt scripts. */
const TIMM_DEFAULTS = new Set(['lrMin', 'normWeightDecay', 'biasWeightDecay', 'modelEmaSteps', 'interpolation']);
/** Of the machine, or said once for a family. */
const APART = new Set(['amp', 'outputDir', 'lrBatchSize', 'colorJitter']);

for (const [line, name, differences] of scripts) {
  const { values, given, positionals } = parseFlags(finetuneFlags, line.split(' '));
  test(`finetune takes ${line.slice(0, 90)}…, the recipe ${name}`, async () => {
    assert.deepEqual(positionals, []);
    const { model, dataPath, options } = await finetuneRequest(values, given, positionals);
    assert.match(model.model, /^output\/pruned\/.*\.pth$/);
    assert.equal(dataPath, 'data/imagenet');
    assert.match(options.outputDir ?? '', /^output\/finetuned\//);
    assert.equal(options.amp, true);
    const expected: TrainingOptions = { ...flagDefaults(trainingFlags), ...RECIPES[name], ...differences };
    for (const key of Object.keys(trainingFlags) as (keyof TrainingOptions)[])
      if (!APART.has(key) && !(name === 'convnext' && TIMM_DEFAULTS.has(key)))
        assert.equal(options[key], expected[key], `--${key}`);
  });
}

test('a recipe by name gives its settings, single flags change them', async () => {
  const { values, given } = parseFlags(finetuneFlags, '--recipe deit --lr 1e-3 --model m.pth --data-path d'.split(' '));
  const { options } = await finetuneRequest(values, given, []);
  assert.equal(options.lr, 1e-3);
  assert.equal(options.mixupAlpha, 0.8);
  assert.equal(options.teacherModel, 'regnety_160.deit_in1k');
  assert.equal(options.momentum, 0.9);
});
