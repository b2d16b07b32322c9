import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../src/architectures/registry.ts';
import { dumpGraph } from '../../src/graph/dump.ts';
import { graphCost } from '../../src/graph/macs.ts';
import { graphFromJson, graphToJson } from '../../src/graph/serialize.ts';

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

test('a Graph survives JSON', () => {
  const graph = buildModel('resnet20');
  assert.ok(graph);
  assert.equal(dumpGraph(graphFromJson(graphToJson(graph))), dumpGraph(graph));
});
