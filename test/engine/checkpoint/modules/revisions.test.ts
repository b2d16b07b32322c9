/** Records of a pickled network against the Graph of its names: what is called in another order, or computes where nothing should. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../../src/engine/architectures/registry.ts';
import { recordedLayers } from '../../../../src/engine/checkpoint/modules/revisions.ts';
import type { AttributeValue } from '../../../../src/engine/checkpoint/torch/attributes.ts';
import type { ModuleRecord } from '../../../../src/engine/checkpoint/torch/module-record.ts';
import type { Graph, GraphNode } from '../../../../src/engine/graph/graph.ts';

const graph = buildModel('resnet18', { inputSize: 32, classes: 4 }) as Graph;

type Layers = Map<string, ModuleRecord>;

const layer = (path: string, className: string, attributes: Record<string, AttributeValue> = {}): ModuleRecord => ({
  className,
  path,
  attributes,
  children: new Map<string, ModuleRecord>(),
  parameters: [],
  absentParameters: [],
  buffers: [],
  hooks: [],
});

const torch = (path: string, name: string, attributes: Record<string, AttributeValue> = {}): ModuleRecord =>
  layer(path, `torch.nn.modules.${name}`, attributes);

/** The class of a node's layer, with the attributes that it has in the Graph. */
function layerOf(node: GraphNode): ModuleRecord | undefined {
  const { module } = node;
  const named = (record: ModuleRecord): ModuleRecord => ({
    ...record,
    parameters: Object.values(node.parameters).map((name) => name.slice(module.length + 1)),
  });
  if (node.kind === 'conv') {
    const { stride, padding, groups } = node.attributes;
    return named(torch(module, 'conv.Conv2d', { stride, padding: [padding.top, padding.left], groups }));
  }
  if (node.kind === 'batchNorm') return named(torch(module, 'batchnorm.BatchNorm2d', { eps: node.attributes.eps }));
  if (node.kind === 'linear') return named(torch(module, 'linear.Linear'));
  if (node.kind === 'activation') return torch(module, 'activation.ReLU');
  if (node.kind === 'mean') return torch(module, 'pooling.AdaptiveAvgPool2d', { output_size: 1 });
  if (node.kind !== 'maxPool') return undefined;
  const { kernel, stride, padding } = node.attributes;
  return torch(module, 'pooling.MaxPool2d', { kernel_size: kernel, stride, padding: padding.top });
}

const compositeAt = (path: string): ModuleRecord => {
  if (path === '') return layer('', 'timm.models.resnet.ResNet');
  if (/^layer\d\.\d$/.test(path)) return layer(path, 'timm.models.resnet.BasicBlock');
  return torch(path, 'container.Sequential');
};

function layersOf(modules: ReadonlyMap<string, ModuleRecord>, path: string): Layers {
  const record = modules.get(path);
  assert.ok(record, `no module ${path}`);
  return record.children as Layers;
}

/** The records of the network as it is, to be changed. */
function recorded(): { root: ModuleRecord; at: (path: string) => Layers } {
  const modules = new Map<string, ModuleRecord>([['', compositeAt('')]]);
  const put = (record: ModuleRecord): void => {
    const { path } = record;
    const parent = path.slice(0, Math.max(path.lastIndexOf('.'), 0));
    if (!modules.has(parent)) put(compositeAt(parent));
    modules.set(path, record);
    layersOf(modules, parent).set(path.slice(parent ? parent.length + 1 : 0), record);
  };
  for (const node of graph.nodes) {
    const record = layerOf(node);
    if (record) put(record);
  }
  return {
    root: modules.get('') as ModuleRecord,
    at: (path) => layersOf(modules, path),
  };
}

const compare = (change: (at: (path: string) => Layers) => void): void => {
  const { root, at } = recorded();
  change(at);
  const { revise } = recordedLayers(graph, root);
  buildModel('resnet18', { inputSize: 32, classes: 4, revise });
};

function reversed(layers: Layers): void {
  const entries = [...layers].reverse();
  layers.clear();
  for (const [name, record] of entries) layers.set(name, record);
}

test('the records of the network itself', () => {
  compare(() => undefined);
});

test('a sequence that calls its layers in another order is refused', () => {
  assert.throws(
    () => compare((at) => reversed(at('layer1'))),
    /layer1 \(Sequential\) calls its layers in another order/,
  );
  const shortcut = 'layer2.0.downsample';
  assert.throws(() => compare((at) => reversed(at(shortcut))), new RegExp(`${shortcut} .*another order`));
  // A block calls its layers by their names, in an order of its own.
  compare((at) => reversed(at('layer1.0')));
});

test('a softmax is no layer that changes nothing', () => {
  const softmax = (path: string) => torch(path, 'activation.Softmax', { dim: -1 });
  for (const [parent, name] of [
    ['', 'act1'],
    ['layer2.0', 'drop_block'],
    ['', 'softmax'],
  ]) {
    const path = parent ? `${parent}.${name}` : name;
    assert.throws(() => compare((at) => at(parent).set(name, softmax(path))), new RegExp(`${path} \\(Softmax\\)`));
  }
});
