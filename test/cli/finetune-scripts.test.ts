/** The paper's finetuning scripts (scripts/finetuning/*.sh) with the program's name changed: every flag is taken, and gives what it gave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finetuneFlags, finetuneRequest, remarks } from '../../src/cli/finetune-settings.ts';
import { flagDefaults, parseFlags } from '../../src/common/flags.ts';
import { RECIPES } from '../../src/engine/training/recipes.ts';
import { type TrainingOptions, trainingFlags } from '../../src/engine/training/training-options.ts';
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

test('images are looked for where train.py looks for them', () => {
  assert.equal(flagDefaults(finetuneFlags).dataPath, 'data/imagenet');
});
