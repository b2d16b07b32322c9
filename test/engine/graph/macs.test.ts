import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { graphCost, nodeMacs } from '../../../src/engine/graph/macs.ts';

const cost = (name: string) => {
  const graph = buildModel(name);
  assert.ok(graph);
  return graphCost(graph);
};

test('MACs and parameters of ResNets equal the reference counter', () => {
  assert.deepEqual(cost('resnet50'), { macs: 4121925096, macsTrue: 4121925096, params: 25557032 });
  assert.equal(cost('resnet18').params, 11689512);
  assert.equal(cost('resnext50_32x4d').params, 25028904);
  assert.equal(cost('resnet20').params, 269722);
});

test('functional ReLU and pooling of the CIFAR family are not counted', () => {
  assert.equal((cost('resnet20').macs / 1e6).toFixed(2), '40.93');
});

test('every part of an attention has its own MACs, which add up to what the counter gives the module', () => {
  const graph = buildModel('deit_tiny_patch16_224');
  assert.ok(graph);
  const macs = nodeMacs(graph);
  const [tokens, width] = [197, 192];
  const inside = [...macs].filter(([id]) => id.startsWith('blocks.0.attn.'));
  assert.equal(inside.length, 4);
  assert.equal(macs.get('blocks.0.attn.qkv'), tokens * width + 3 * tokens * width * (width + 1));
  assert.equal(macs.get('blocks.0.attn.proj'), tokens * width * (width + 1));
  const products = inside.filter(([id]) => !/qkv|proj/.test(id)).map(([, count]) => count);
  assert.deepEqual(products, [3 * tokens * tokens * (64 + 1), 3 * tokens * tokens * 64]);
  assert.equal(
    [...macs.values()].reduce((a, b) => a + b, 0),
    graphCost(graph).macs,
  );
});
