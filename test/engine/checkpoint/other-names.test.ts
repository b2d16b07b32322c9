/** Names of the networks' own repositories, as they become timm's. Those of torchvision: test/engine/models/torchvision-names.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import { timmNames } from '../../../src/engine/checkpoint/other-names.ts';

const namesOf = (model: string): string[] =>
  (findVariant(model)?.build() ?? assert.fail(model)).parameters.map((p) => p.name);

/** github.com/facebookresearch/ConvNeXt, models/convnext.py. */
const convNextAuthors = (name: string): string =>
  name
    .replace(/^stem\./, 'downsample_layers.0.')
    .replace(/^stages\.(\d)\.downsample\./, 'downsample_layers.$1.')
    .replace(/^stages\.(\d)\.blocks\./, 'stages.$1.')
    .replace(/\.conv_dw\./, '.dwconv.')
    .replace(/\.mlp\.fc([12])\./, '.pwconv$1.')
    .replace(/^head\.norm\./, 'norm.')
    .replace(/^head\.fc\./, 'head.');

/** github.com/microsoft/Swin-Transformer, models/swin_transformer.py; timm before 0.9 had the same. */
const swinAuthors = (name: string): string =>
  name
    .replace(/^layers\.(\d)\.downsample\./, (_, stage) => `layers.${Number(stage) - 1}.downsample.`)
    .replace(/^head\.fc\./, 'head.');

for (const [model, theirs, whose] of [
  ['convnext_tiny', convNextAuthors, "the ConvNeXt authors'"],
  ['swin_tiny_patch4_window7_224', swinAuthors, "the Swin authors'"],
] as const)
  test(`${whose} names become timm's, in their order`, () => {
    const names = namesOf(model);
    const file = new Map(names.map((name, i) => [theirs(name), i]));
    const found = timmNames(file);
    assert.equal(found.whose, whose);
    assert.deepEqual([...found.entries.keys()], names);
    assert.deepEqual([...found.entries.values()], [...names.keys()]);
  });

for (const model of ['convnext_tiny', 'swin_tiny_patch4_window7_224', 'resnet18', 'densenet121', 'efficientnet_b0'])
  test(`${model}: timm's names stay`, () => {
    const file = new Map(namesOf(model).map((name) => [name, 0]));
    assert.deepEqual(timmNames(file), { entries: file });
  });

test('where two entries would get one name, all stay as they are', () => {
  const file = new Map([
    ['downsample_layers.0.0.weight', 0],
    ['stem.0.weight', 1],
  ]);
  assert.deepEqual(timmNames(file), { entries: file });
});
