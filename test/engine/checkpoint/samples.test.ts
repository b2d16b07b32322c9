/** Published and realistic files: every tensor's digest is PyTorch's. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import {
  type Checkpoint,
  type ModuleRecord,
  openCheckpoint,
  readCheckpoint,
} from '../../../src/engine/checkpoint/checkpoint.ts';
import { findNonFinite } from '../../../src/engine/checkpoint/convert.ts';
import type { Weights } from '../../../src/engine/graph/tensor.ts';
import { repositoryRoot } from './files.ts';

const samples = path.resolve(repositoryRoot, '../shared/data/checkpoints');
const skip = !existsSync(samples) && 'no ../shared';

/** SHA-256 over name, type, shape and bytes of every tensor in the order of `state_dict()`. */
function digest(weights: Weights): string {
  const hash = createHash('sha256');
  for (const [name, { dtype, shape, data }] of weights) {
    hash.update(`${name} ${dtype} [${shape.join(', ')}]\n`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** Digests made with torch.load of PyTorch 2.13 (whole modules: with empty classes in place of timm's and torchvision's). */
const files: readonly {
  file: string;
  useEma?: boolean;
  format: Checkpoint['format'];
  tensors: number;
  digest: string;
}[] = [
  {
    file: 'resnet20-12fca82f.th',
    format: 'torch-legacy',
    tensors: 97,
    digest: '15eb7d2d41afe8f63e66b195f33f0185e838665d0f9884d483740c8c0cd61ade',
  },
  {
    file: 'resnet32-d509ac18.th',
    format: 'torch-legacy',
    tensors: 157,
    digest: 'fa1858763bb20038b92123046bf327eb7f8455a3998e01132e55967760e70d79',
  },
  {
    file: 'deit_0.6G.module.pth',
    format: 'torch-zip',
    tensors: 155,
    digest: '61abf3e9ed4232a701a48677f485bd078901aaf799f8e107788a3fee19be6dcd',
  },
  {
    file: 'mobilenet_v2_0.15G.train.pth',
    format: 'torch-zip',
    tensors: 314,
    digest: '2cdc3f398ee5007c69c17128da9f7b2fe0a0388310eeb81061410da49379ed0b',
  },
  {
    file: 'mobilenet_v2_0.15G.train.pth',
    useEma: true,
    format: 'torch-zip',
    tensors: 314,
    digest: 'c9ef05f4cd0d417eaa1aad78b1efb44c5c428332391cfb462aeb084a50f41609',
  },
];

for (const { file, useEma, format, tensors, digest: expected } of files) {
  test(`${file}${useEma ? ' (EMA)' : ''}`, { skip }, async () => {
    const checkpoint = await readCheckpoint(path.join(samples, file), { useEma });
    assert.equal(checkpoint.format, format);
    assert.equal(checkpoint.weights.size, tensors);
    assert.equal(digest(checkpoint.weights), expected);
    assert.deepEqual(findNonFinite(checkpoint.weights), []);
  });
}

function find(record: ModuleRecord | undefined, place: string): ModuleRecord {
  let found = record;
  for (const name of place.split('.')) found = found?.children.get(name);
  assert.ok(found, `no module ${place}`);
  return found;
}

test('the record of the pruned DeiT has what its architecture needs', { skip }, async () => {
  const open = await openCheckpoint(path.join(samples, 'deit_0.6G.module.pth'));
  await open.close();
  assert.equal(open.module?.className, 'timm.models.deit.VisionTransformerDistilled');
  const attention = find(open.module, 'blocks.0.attn');
  assert.equal(attention.className, 'timm.models.vision_transformer.Attention');
  const qkv = open.tensors.get('blocks.0.attn.qkv.weight')!;
  const { num_heads: heads, head_dim: headDim } = attention.attributes;
  assert.equal(qkv.shape[0], 3 * (heads as number) * (headDim as number));
  assert.equal(attention.attributes['scale'], (headDim as number) ** -0.5);
  const projection = find(open.module, 'patch_embed.proj');
  assert.deepEqual(projection.attributes['stride'], [16, 16]);
  assert.equal(find(open.module, 'blocks.0.norm1').attributes['eps'], 1e-6);
});

test('the training checkpoint tells what lay beside the model', { skip }, async () => {
  const open = await openCheckpoint(path.join(samples, 'mobilenet_v2_0.15G.train.pth'));
  await open.close();
  assert.deepEqual(open.sources, ['model']);
  assert.deepEqual(Object.keys(open.baggage).sort(), ['args', 'epoch', 'lr_scheduler', 'model_ema', 'optimizer']);
  assert.equal(open.baggage['epoch'], 7);
  assert.equal((open.baggage['args'] as { model: string }).model, 'mobilenet_v2');
  const conv = find(open.module, 'features.1.conv.0.0');
  // Depthwise: as many groups as there are channels.
  const [channels] = open.tensors.get('features.1.conv.0.0.weight')?.shape ?? [];
  assert.deepEqual([conv.attributes['groups'], conv.attributes['in_channels']], [channels, channels]);
});
