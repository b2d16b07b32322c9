import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { findVariant, variants } from '../../../src/engine/architectures/registry.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import { validateGraph } from '../../../src/engine/graph/validate.ts';

/** Parameters of timm 1.0.9 and MACs of torch-pruning 1.6.1's counter, by running both. [params, macs] */
const FIGURES: Readonly<Record<string, readonly [number, number]>> = {
  resnet18: [11_689_512, 1_822_177_768],
  resnet34: [21_797_672, 3_675_629_032],
  resnet50: [25_557_032, 4_121_925_096],
  resnet101: [44_549_160, 7_849_500_136],
  resnet152: [60_192_808, 11_580_687_848],
  wide_resnet50_2: [68_883_240, 11_440_621_544],
  wide_resnet101_2: [126_886_696, 22_816_122_856],
  resnext50_32x4d: [25_028_904, 4_273_080_296],
  resnext101_32x8d: [88_791_336, 16_507_042_792],
  deit_tiny_distilled_patch16_224: [5_910_800, 1_268_472_800],
  deit_small_distilled_patch16_224: [22_436_432, 4_639_076_336],
  deit_base_distilled_patch16_224: [87_338_192, 17_686_681_616],
  deit_tiny_patch16_224: [5_717_416, 1_261_106_668],
  deit_small_patch16_224: [22_050_664, 4_613_728_240],
  deit_base_patch16_224: [86_567_656, 17_593_519_096],
  vit_tiny_patch16_224: [5_717_416, 1_261_106_668],
  vit_small_patch16_224: [22_050_664, 4_613_728_240],
  vit_base_patch16_224: [86_567_656, 17_593_519_096],
  convnext_tiny: [28_589_128, 4_458_312_520],
  convnext_small: [50_223_688, 8_687_882_824],
  convnext_base: [88_591_464, 15_360_289_896],
  swin_tiny_patch4_window7_224: [28_288_354, 4_513_401_784],
  swin_small_patch4_window7_224: [49_606_258, 8_776_857_592],
  swin_base_patch4_window7_224: [87_768_224, 15_478_922_920],
  mobilenetv2_100: [3_504_872, 306_943_784],
  regnety_004: [4_344_144, 405_463_472],
  regnety_008: [6_263_168, 802_063_896],
  regnety_016: [11_202_430, 1_619_812_372],
  regnety_032: [19_436_338, 3_187_240_324],
  regnety_160: [83_590_140, 15_933_260_288],
  vgg11: [132_863_336, 7_630_085_096],
  vgg13: [133_047_848, 11_339_095_016],
  vgg16: [138_357_544, 15_503_502_312],
  vgg19: [143_667_240, 19_667_909_608],
  vgg11_bn: [132_868_840, 7_644_937_192],
  vgg13_bn: [133_053_736, 11_363_580_904],
  vgg16_bn: [138_365_992, 15_530_597_352],
  vgg19_bn: [143_678_248, 19_697_613_800],
  densenet121: [7_978_856, 2_851_385_576],
  densenet169: [14_149_480, 3_380_479_208],
  efficientnet_b0: [5_288_548, 385_887_812],
};

/** timm pools VGG's 4,096 channels where torchvision, whose form is built without a checkpoint, pools 7 × 7 × 512. */
const VGG_POOLING = 7 * 7 * 512 - 4096;

for (const [name, [params, macs]] of Object.entries(FIGURES))
  test(`${name}: parameters and MACs`, () => {
    const variant = findVariant(name);
    assert.ok(variant);
    const graph = variant.build();
    validateGraph(graph);
    const expected = variant.family === 'vgg' ? macs + VGG_POOLING : macs;
    assert.deepEqual(graphCost(graph), { macs: expected, macsTrue: expected, params });
  });

test('models of other libraries: torchvision and the CIFAR ResNets', () => {
  const params = (name: string) => graphCost(findVariant(name)?.build() ?? assert.fail(name)).params;
  assert.equal(params('mobilenet_v2'), 3_504_872);
  // He et al. 2015, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 M.
  assert.deepEqual(
    ['resnet20', 'resnet32', 'resnet44', 'resnet56', 'resnet110'].map(params),
    [269_722, 464_154, 658_586, 853_018, 1_727_962],
  );
});

test("torchvision's DenseNet counts its norms, timm's does not", () => {
  const millions = (torchvision: boolean): string => {
    const graph = findVariant('densenet121')?.build({ torchvision }) ?? assert.fail();
    validateGraph(graph);
    return (graphCost(graph).macs / 1e6).toFixed(1);
  };
  assert.deepEqual([millions(true), millions(false)], ['2882.6', '2851.4']);
});

/** Of timm 1.0.31, by state_dicts.py: parameters, and a digest of the names and shapes of the state dict. */
const STATE_DICTS = JSON.parse(
  readFileSync(path.join(import.meta.dirname, 'fixtures/state-dicts.json'), 'utf8'),
) as Readonly<Record<string, readonly [params: number, digest: string]>>;

for (const [name, [params, digest]] of Object.entries(STATE_DICTS))
  test(`${name}: its state dict is timm's`, () => {
    const graph = findVariant(name)?.build() ?? assert.fail(name);
    const lines = graph.parameters.map((p) => `${p.name} ${p.shape.join(',')}\n`).sort();
    assert.equal(createHash('sha256').update(lines.join('')).digest('hex').slice(0, 16), digest);
    assert.equal(graphCost(graph).params, params);
  });

/** Whose builder is that of a pinned network, and which timm cannot build here. */
const UNPINNED = /^(mobilenet_v2|resnet\d+_cifar|resnet(20|32|44|56|110))$/;

test('every model has a figure to meet', () => {
  for (const { name } of variants) assert.ok(name in FIGURES || name in STATE_DICTS || UNPINNED.test(name), name);
});
