import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import type { GraphView } from '../../src/protocol/graph-view.ts';
import { reshapedAxes } from '../../src/worker/channel-axes.ts';
import { graphViewOf } from '../../src/worker/graph-view.ts';

function viewOf(name: string): GraphView {
  const graph = buildModel(name);
  assert.ok(graph, name);
  return graphViewOf(graph);
}

test('the module tree of ResNet-50 has every parent before its children, and layers lie where a person looks', () => {
  const view = viewOf('resnet50');
  for (const [i, module] of view.modules.entries()) assert.ok(module.parent < i, module.path);
  const conv = view.nodes.find((node) => node.id === 'layer1.0.conv1');
  assert.ok(conv);
  assert.equal(view.modules[conv.module].path, 'layer1.0');
  assert.equal(view.modules[conv.module].type, 'Bottleneck');
  assert.equal(view.modules[view.nodes.find((node) => node.id === 'fc')!.module].path, '');
});

test('labels, widths and figures', () => {
  const view = viewOf('resnet50');
  const conv = view.nodes.find((node) => node.id === 'layer2.0.conv2')!;
  assert.deepEqual([conv.label, conv.width, conv.inWidth], ['conv 3×3 /2', 128, 128]);
  const sum = view.nodes.reduce((total, node) => total + node.macs, 0);
  assert.equal(sum, view.cost.macs);
  assert.equal(
    view.nodes.reduce((total, node) => total + node.params, 0),
    view.cost.params,
  );
  assert.equal(viewOf('resnext50_32x4d').nodes.find((n) => n.id === 'layer1.0.conv2')?.label, 'conv in 32 groups 3×3');
});

test('every value of a convolutional network has its channels as width', () => {
  for (const node of viewOf('resnet20').nodes) assert.ok(node.width > 0, node.id);
  assert.equal(viewOf('resnet50').nodes.find((node) => node.id === 'global_pool.pool')?.width, 2048);
});

test('channels are followed through reshapes', () => {
  assert.deepEqual(reshapedAxes([-1, 196, 2304], [-1, 196, 3, 12, 64], [2]), [2, 3, 4]);
  assert.deepEqual(reshapedAxes([-1, 12, 196, 64], [-1, 12, 196, 64], [1, 3]), [1, 3]);
  assert.deepEqual(reshapedAxes([-1, 768, 14, 14], [-1, 768, 196], [1]), [1]);
  assert.deepEqual(reshapedAxes([-1, 512, 7, 7], [-1, 25088], [1]), [1]);
  assert.deepEqual(reshapedAxes([-1, 56, 56, 96], [-1, 8, 7, 8, 7, 96], [3]), [5]);
  assert.deepEqual(reshapedAxes([-1, 8, 8, 7, 7, 96], [-64, 49, 96], [5]), [2]);
});

test('a view is plain JSON', () => {
  const view = viewOf('resnet20');
  assert.deepEqual(JSON.parse(JSON.stringify(view)), view);
});
