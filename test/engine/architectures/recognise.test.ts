import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headsLike } from '../../../src/engine/architectures/head-choices.ts';
import { lookAlikes } from '../../../src/engine/architectures/look-alikes.ts';
import { recogniseArchitecture } from '../../../src/engine/architectures/recognise.ts';
import { findVariant, variants } from '../../../src/engine/architectures/registry.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import { caseNames } from '../../support/reference.ts';
import { readCase } from './reference.ts';

const shapesOf = (graph: Graph): Map<string, readonly number[]> =>
  new Map(graph.parameters.map((p) => [p.name, p.shape]));
const dense = (name: string): Graph => findVariant(name)?.build() ?? assert.fail(name);

const keyOf = (graph: Graph): string => JSON.stringify(graph.parameters.map((p) => [p.name, p.shape]).sort());
const byTensors = new Map<string, string[]>();
for (const { name } of variants) {
  const key = keyOf(dense(name));
  byTensors.set(key, [...(byTensors.get(key) ?? []), name]);
}

for (const { name } of variants)
  test(`${name} is recognised by its tensors`, () => {
    const alike = byTensors.get(keyOf(dense(name))) ?? [];
    const found = recogniseArchitecture(shapesOf(dense(name)));
    assert.equal(found.kind, 'found', 'message' in found ? found.message : '');
    if (found.kind !== 'found') return;
    assert.equal(found.variant.name, alike[0]);
    assert.deepEqual(shapesOf(found.graph), shapesOf(dense(name)));
    // Whichever has the same tensors is named, and nothing is said where none has.
    const told = found.notes.join(' ').split(/[ ,;]+/);
    for (const other of alike.slice(1)) assert.ok(told.includes(other), `${other} in: ${found.notes.join()}`);
    const few = lookAlikes(alike[0]).length + alike.length - 1;
    assert.equal(found.notes.length > 0, few > 0, found.notes.join());
  });

test('networks with the same tensors that compute something else are told apart from those with other pixels', () => {
  const notes = (name: string): string => {
    const found = recogniseArchitecture(shapesOf(dense(name)));
    return found.kind === 'found' ? found.notes.join() : assert.fail(found.message);
  };
  assert.match(
    notes('vit_tiny_patch16_224'),
    /^opened as deit_tiny_patch16_224; vit_tiny_patch16_224 has the same tensors, with other image/,
  );
  assert.match(
    notes('resnetblur50'),
    /^opened as resnet50; resnetaa50, resnetblur50 fit these tensors as well and compute something else/,
  );
  assert.match(
    notes('tf_efficientnet_b1'),
    /^opened as efficientnet_b1; tf_efficientnet_b1, efficientnet_b1_pruned fit/,
  );
});

test('a network that cannot be built is not taken for the one whose tensors it has', () => {
  const shapes = shapesOf(dense('efficientnet_b1'));
  const found = recogniseArchitecture(shapes, { name: 'runs/efficientnet_b1_pruned.pth' });
  assert.ok(found.kind === 'unknown');
  assert.match(found.message, /efficientnet_b1_pruned has the tensors of efficientnet_b1 and computes something else/);
});

test('a name decides between models with the same tensors', () => {
  const shapes = shapesOf(dense('vit_small_patch16_224'));
  for (const name of [
    'vit_small_patch16_224',
    'vit_small_patch16_224.augreg_in1k',
    'runs/vit_small_patch16_224-best.pth',
  ]) {
    const found = recogniseArchitecture(shapes, { name });
    assert.ok(found.kind === 'found');
    assert.equal(found.graph.name, 'vit_small_patch16_224');
    assert.deepEqual(found.graph.input.mean, [0.5, 0.5, 0.5]);
    assert.deepEqual(found.notes, []);
  }
});

test('a name that does not fit is not believed', () => {
  const found = recogniseArchitecture(shapesOf(dense('resnet18')), { name: 'resnet50' });
  assert.ok(found.kind === 'found');
  assert.equal(found.variant.name, 'resnet18');
});

test('the number of classes and the image size are those of the tensors', () => {
  const vit = findVariant('deit_tiny_patch16_224')?.build({ classes: 7, inputSize: 384 }) ?? assert.fail();
  const found = recogniseArchitecture(shapesOf(vit));
  assert.ok(found.kind === 'found');
  assert.equal(found.graph.classes, 7);
  assert.equal(found.graph.input.height, 384);
});

test('computed buffers and missing counters do not matter', () => {
  const shapes = shapesOf(dense('swin_tiny_patch4_window7_224'));
  shapes.set('layers.0.blocks.1.attn_mask', [64, 49, 49]);
  shapes.set('layers.0.blocks.0.attn.relative_position_index', [49, 49]);
  assert.equal(recogniseArchitecture(shapes).kind, 'found');
  const resnet = [...shapesOf(dense('resnet18'))].filter(([name]) => !name.endsWith('num_batches_tracked'));
  assert.equal(recogniseArchitecture(new Map(resnet)).kind, 'found');
});

for (const name of caseNames) {
  const { pruned, tensors, num_heads: heads = {}, model } = readCase(name);
  const shapes = new Map(Object.entries(tensors).map(([tensor, { shape }]) => [tensor, shape]));
  const cost = (graph: Graph) => {
    const { macs, params } = graphCost(graph);
    return { macs, params };
  };
  test(`${name}: the pruned network is recognised`, () => {
    const found = recogniseArchitecture(shapes, { heads: (attention) => heads[`${attention}.qkv`] });
    assert.equal(found.kind, 'found', 'message' in found ? found.message : '');
    if (found.kind === 'found') assert.deepEqual(cost(found.graph), pruned);
  });
  if (model.startsWith('deit'))
    test(`${name}: without a record it asks for the heads, and suggests the right ones`, () => {
      const found = recogniseArchitecture(shapes);
      assert.ok(found.kind === 'ambiguous');
      assert.deepEqual(
        found.candidates.map(({ attention, suggested }) => [`${attention}.qkv`, suggested]),
        Object.entries(heads),
      );
      assert.deepEqual(cost(found.graph), pruned);
      assert.match(found.message, /How many attention heads .* blocks\.0\.attn \d+ = .*\(likely\)/);
    });
}

test('a Graph gives its heads for building it anew', () => {
  const heads = (attention: string): number => (attention === 'blocks.2.attn' ? 4 : 3);
  const built = findVariant('deit_tiny_patch16_224')?.build({ heads }) ?? assert.fail();
  const again = recogniseArchitecture(shapesOf(built), { heads: headsLike(built), inputSize: 96 });
  assert.ok(again.kind === 'found');
  assert.equal(headsLike(again.graph)('blocks.2.attn'), 4);
  assert.equal(headsLike(again.graph)('blocks.3.attn'), 3);
  assert.equal(headsLike(again.graph)('blocks.3'), undefined);
});

test('heads removed whole are no riddle', () => {
  const shapes = shapesOf(dense('deit_small_distilled_patch16_224'));
  shapes.set('blocks.3.attn.qkv.weight', [3 * 4 * 64, 384]);
  shapes.set('blocks.3.attn.qkv.bias', [3 * 4 * 64]);
  shapes.set('blocks.3.attn.proj.weight', [384, 4 * 64]);
  const found = recogniseArchitecture(shapes);
  assert.ok(found.kind === 'found');
  const scores = found.graph.nodes.find((node) => node.id === 'blocks.3.attn.split');
  assert.ok(scores?.kind === 'reshape');
  assert.deepEqual(scores.attributes.shape, [-1, 198, 3, 4, 64]);
});

test('a checkpoint of another network names the nearest and what differs', () => {
  const shapes = shapesOf(dense('resnet50'));
  shapes.set('conv1.weight', [64, 3, 3, 3]);
  shapes.delete('layer2.0.bn1.weight');
  shapes.set('fc2.weight', [2, 3]);
  const found = recogniseArchitecture(shapes, { moduleType: 'MyResNet' });
  assert.ok(found.kind === 'unknown');
  assert.equal(found.nearest, 'resnet50');
  assert.deepEqual(found.differences, [
    'conv1.weight is [64, 3, 3, 3] in the file, [64, 3, 7, 7] in the network',
    'layer2.0.bn1.weight is missing',
    'fc2.weight is not in the network',
  ]);
  assert.match(found.message, /^this MyResNet fits no architecture .* nearest is resnet50: conv1\.weight/);
});

test('a prefix before every name is pointed out', () => {
  const shapes = new Map([...shapesOf(dense('convnext_tiny'))].map(([name, shape]) => [`backbone.${name}`, shape]));
  const found = recogniseArchitecture(shapes);
  assert.ok(found.kind === 'unknown');
  assert.equal(found.nearest, 'convnext_tiny');
  assert.match(found.message, /every name begins with backbone\./);
});

test('tensors of no network at all are listed', () => {
  const found = recogniseArchitecture(new Map([['embedding.weight', [30522, 768]]]));
  assert.ok(found.kind === 'unknown');
  assert.equal(found.nearest, undefined);
  assert.match(found.message, /1 tensors \(embedding\.weight \[30522, 768\]\)/);
});

test('networks that are often met are called by name, with what can be done', () => {
  const found = (...names: readonly string[]) => {
    const recognition = recogniseArchitecture(new Map(names.map((name) => [name, [96]])));
    assert.ok(recognition.kind === 'unknown');
    assert.equal(recognition.nearest, undefined);
    return recognition.message;
  };
  assert.match(
    found('features.0.0.weight', 'features.1.0.layer_scale', 'features.1.0.block.0.weight'),
    /^the checkpoint holds torchvision's ConvNeXt, which cannot be opened\. Timm's convnext_tiny.* ONNX\.$/,
  );
  assert.match(found('layers.0.blocks.0.attn.logit_scale'), /holds a Swin Transformer V2/);
  assert.match(found('vit.embeddings.cls_token'), /holds a network of Hugging Face Transformers/);
});

test('a network that shares few names with the nearest is not held against it', () => {
  const shared = [...shapesOf(dense('vgg11'))].slice(0, 4);
  const found = recogniseArchitecture(new Map([...shared, ['decoder.weight', [2, 2]]]));
  assert.ok(found.kind === 'unknown');
  assert.equal(found.nearest, undefined);
  assert.match(found.message, /5 tensors \(features\.0\.weight/);
});

test('widths that do not fit each other are reported by layer', () => {
  const shapes = shapesOf(dense('resnet18'));
  shapes.set('layer1.0.conv2.weight', [48, 64, 3, 3]);
  const found = recogniseArchitecture(shapes);
  assert.ok(found.kind === 'unknown');
  assert.match(found.message, /resnet18: layer1\.0\.add \(add\): .* do not broadcast/);
});
