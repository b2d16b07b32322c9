/** Every pair of formats and every family, dense and pruned: see test/engine/models/format-pairs.test.ts. Minutes. */
import { test } from 'node:test';
import { testFolder } from '../engine/checkpoint/files.ts';
import { makeNetwork } from '../engine/export/exported.ts';
import { assertRoundTrips } from '../engine/models/format-pairs.ts';

const folder = testFolder();
const small = { inputSize: 32, classes: 5 };
const heads = { headRatio: 0.34, headDimRatio: 0.3 };

const networks = [
  { model: 'resnet18', build: small, prune: {} },
  { model: 'resnext50_32x4d', build: small, prune: {} },
  { model: 'resnet20', build: { classes: 5 }, prune: {} },
  { model: 'mobilenet_v2', build: small, prune: {} },
  { model: 'mobilenetv2_100', build: small, prune: {} },
  { model: 'efficientnet_b0', build: small, prune: {} },
  { model: 'regnety_004', build: small, prune: {} },
  { model: 'densenet121', build: small, prune: {} },
  { model: 'convnext_tiny', build: small, prune: {} },
  { model: 'deit_tiny_patch16_224', build: small, prune: heads },
  { model: 'deit_tiny_distilled_patch16_224', build: small, prune: heads },
  { model: 'swin_tiny_patch4_window7_224', build: { ...small, inputSize: 64 }, prune: heads },
];

for (const { prune, ...network } of networks)
  for (const pruned of [false, true])
    test(`${network.model}, ${pruned ? 'pruned' : 'dense'}, through every pair of formats`, async () => {
      await assertRoundTrips(folder.path, await makeNetwork({ ...network, ...(pruned && { prune }) }), true);
    });
