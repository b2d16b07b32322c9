import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suggestNames } from '../../../src/engine/architectures/suggest.ts';

for (const [unknown, first] of [
  ['reznet50', 'resnet50'],
  ['ResNet-50', 'resnet50'],
  ['vit_tiny', 'vit_tiny_patch16_224'],
  ['convnext_base_in22k', undefined],
  ['deit_small_distilled', 'deit_small_distilled_patch16_224'],
  ['swin_t', 'swin_tiny_patch4_window7_224'],
  ['regnet_y_16gf', 'regnety_160'],
  ['no-such-model', undefined],
  ['x', undefined],
] as const)
  test(`${unknown}: ${first ?? 'nothing near'}`, () => assert.equal(suggestNames(unknown)[0], first));

test('no more than a few', () => assert.equal(suggestNames('resnet5').length, 3));
