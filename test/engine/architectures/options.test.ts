import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poolingMatrix } from '../../../src/engine/architectures/adaptive-pool.ts';
import { likelyHeads } from '../../../src/engine/architectures/attention.ts';
import { findVariant, variants } from '../../../src/engine/architectures/registry.ts';
import type { BuildOptions } from '../../../src/engine/architectures/variant.ts';
import { relativePositionIndex, shiftMask } from '../../../src/engine/architectures/windows.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph, GraphNode } from '../../../src/engine/graph/graph.ts';
import type { OperationKind } from '../../../src/engine/graph/operations.ts';
import { graphFromJson, graphToJson } from '../../../src/engine/graph/serialize.ts';
import { inferShapes } from '../../../src/engine/graph/shapes.ts';
import { validateGraph } from '../../../src/engine/graph/validate.ts';

const build = (name: string, options?: BuildOptions): Graph => findVariant(name)?.build(options) ?? assert.fail(name);
const nodesOf = <K extends OperationKind>(graph: Graph, kind: K): GraphNode<K>[] =>
  graph.nodes.filter((node) => node.kind === kind) as GraphNode<K>[];
const dropPaths = (graph: Graph) =>
  nodesOf<'dropPath'>(graph, 'dropPath').map((node): [string, number] => [node.module, node.attributes.probability]);

test('nothing is dropped unless asked for, in timm models', () => {
  for (const { name, build: make } of variants) {
    const dropout = nodesOf(make(), 'dropout').length;
    assert.equal(dropout, { mobilenet_v2: 1 }[name] ?? (name.startsWith('vgg') ? 2 : 0), name);
    assert.equal(nodesOf(make(), 'dropPath').length, 0, name);
    assert.equal(nodesOf(make({ dropout: 0 }), 'dropout').length, 0, name);
  }
});

// Probabilities of timm 1.0.9's DropPath modules with drop_path_rate 0.2.
test('stochastic depth grows with depth as in timm', () => {
  const last = (name: string) => dropPaths(build(name, { dropPath: 0.2 })).at(-1);
  assert.deepEqual(dropPaths(build('deit_tiny_patch16_224', { dropPath: 0.2 }))[0], ['blocks.1.drop_path1', 0.2 / 11]);
  assert.deepEqual(last('deit_tiny_patch16_224'), ['blocks.11.drop_path2', 0.2]);
  assert.deepEqual(last('convnext_tiny'), ['stages.3.blocks.2.drop_path', 0.2]);
  assert.deepEqual(last('resnet18'), ['layer4.1.drop_path', 0.2]);
  assert.deepEqual(dropPaths(build('efficientnet_b0', { dropPath: 0.2 }))[0], ['blocks.1.1.drop_path', (0.2 * 2) / 16]);
  assert.equal(dropPaths(build('regnety_004', { dropPath: 0.2 })).length, 15);
});

test('blocks removed from a ConvNeXt stage: the rest number from 0, stochastic depth spreads over them', () => {
  const shapes = new Map(build('convnext_tiny').parameters.map((p) => [p.name, p.shape]));
  for (const name of shapes.keys()) if (/^stages\.2\.blocks\.[4-8]\./.test(name)) shapes.delete(name);
  const graph = build('convnext_tiny', { shapes: (name) => shapes.get(name), dropPath: 0.12 });
  validateGraph(graph);
  const ramp = dropPaths(graph);
  assert.equal(ramp.length, 3 + 3 + 4 + 3 - 1);
  ramp.forEach(([, probability], i) => {
    assert.ok(Math.abs(probability - 0.01 * (i + 1)) < 1e-12);
  });
  assert.deepEqual(new Set(graph.parameters.map((p) => p.name)), new Set(shapes.keys()));
});

test('a stage of a checkpoint may have lost all its blocks', () => {
  const shapes = new Map(build('convnext_tiny').parameters.map((p) => [p.name, p.shape]));
  for (const name of shapes.keys()) if (name.startsWith('stages.2.blocks.')) shapes.delete(name);
  const graph = build('convnext_tiny', { shapes: (name) => shapes.get(name) });
  assert.ok(!graph.nodes.some((node) => node.module.startsWith('stages.2.blocks.')));
  validateGraph(graph);
});

test('a distilled DeiT returns the mean of its heads, and both in training', () => {
  const graph = build('deit_tiny_distilled_patch16_224', { classes: 10 });
  assert.deepEqual(graph.trainingOutputs, ['head', 'head_dist']);
  const mean = graph.nodes.find((node) => node.id === graph.outputs[0].value);
  assert.ok(mean?.kind === 'scale');
  assert.equal(mean.attributes.by, 0.5);
  assert.deepEqual(build('deit_tiny_patch16_224').trainingOutputs, ['head']);
});

test('heads: those given, else by the width of qkv', () => {
  const heads = (graph: Graph) => inferShapes(graph).get('blocks.0.attn.q')?.[1];
  assert.equal(heads(build('deit_small_patch16_224')), 6);
  assert.equal(
    heads(build('deit_small_patch16_224', { heads: (attention) => (attention === 'blocks.0.attn' ? 4 : undefined) })),
    4,
  );
  assert.throws(() => build('deit_small_patch16_224', { heads: () => 5 }), /blocks\.0\.attn\.qkv has 1152 outputs/);
  const dense = { heads: 6, headDim: 64 };
  assert.equal(likelyHeads(4 * 64, dense), 4);
  assert.equal(likelyHeads(6 * 46, dense), 6);
  assert.equal(likelyHeads(2 * 58, dense), 4);
  assert.equal(likelyHeads(61, dense), 1);
});

test("Swin's heads are those of its bias table", () => {
  const shapes = new Map<string, readonly number[]>([
    ['layers.0.blocks.1.attn.relative_position_bias_table', [169, 2]],
    ['layers.0.blocks.1.attn.qkv.weight', [3 * 2 * 32, 96]],
  ]);
  const graph = build('swin_tiny_patch4_window7_224', { shapes: (name) => shapes.get(name) });
  const values = inferShapes(graph);
  assert.deepEqual(values.get('layers.0.blocks.0.attn.q'), [-1, 64, 3, 49, 32]);
  assert.deepEqual(values.get('layers.0.blocks.1.attn.q'), [-1, 64, 2, 49, 32]);
  assert.deepEqual(values.get('layers.0.blocks.1.attn.position_bias'), [2, 49, 49]);
});

test('other image sizes', () => {
  for (const { name, build: make } of variants)
    for (const inputSize of [32, 96, 160, 288]) {
      const graph = make({ inputSize });
      validateGraph(graph);
      assert.equal(graph.input.height, inputSize, name);
    }
  const swin = build('swin_tiny_patch4_window7_224', { inputSize: 256 });
  const windows = inferShapes(swin);
  assert.deepEqual(windows.get('layers.0.blocks.0.windows'), [-1, 100, 49, 96]);
  assert.deepEqual(windows.get('layers.0.blocks.0.crop_columns'), [-1, 64, 64, 96]);
  assert.deepEqual(windows.get('layers.0.attn_mask'), [100, 1, 49, 49]);
});

test('values keep the batch as one dimension of its own', () => {
  for (const { name, build: make } of variants)
    for (const shape of inferShapes(make()).values())
      assert.ok(shape.filter((d) => d < 0).length <= 1 && !shape.some((d) => d < -1), name);
});

test('every model survives JSON', () => {
  for (const { name, build: make } of variants) {
    const graph = make();
    assert.deepEqual(graphFromJson(graphToJson(graph)), graph, name);
  }
});

test('relative positions in a 2 × 2 window', () => {
  // Rows of the 3 × 3 table by (Δrow + 1)·3 + Δcolumn + 1.
  assert.deepEqual([...relativePositionIndex([2, 2])], [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4]);
});

test('the mask of shifted windows parts what is no neighbour in the image', () => {
  const b = new GraphBuilder();
  const id = shiftMask(b, 'layers.0', [4, 4], [2, 2], [1, 1]);
  const graph = b.finish({ name: '', family: '', input: build('resnet20').input, classes: 1 }, id);
  const node = graph.nodes[0];
  assert.ok(node.kind === 'constant');
  const { shape, data } = node.attributes.tensor;
  assert.deepEqual(shape, [4, 1, 2 * 2, 2 * 2]);
  const window = (w: number) =>
    Array.from({ length: 4 }, (_, a) =>
      [...data.slice(w * 16 + a * 4, w * 16 + a * 4 + 4)].map((v) => (v ? 'x' : '.')).join(''),
    );
  assert.deepEqual(window(0), ['....', '....', '....', '....']);
  // Columns 2 and 3 after the shift: the last is the image's first column.
  assert.deepEqual(window(1), ['.x.x', 'x.x.', '.x.x', 'x.x.']);
  assert.deepEqual(window(2), ['..xx', '..xx', 'xx..', 'xx..']);
  assert.deepEqual(window(3), ['.xxx', 'x.xx', 'xx.x', 'xxx.']);
  assert.equal(Math.min(...data), -100);
});

test('adaptive pooling: each output is the mean of its part of the input', () => {
  const third = Math.fround(1 / 3);
  assert.deepEqual([...poolingMatrix(4, 2)], [0.5, 0, 0.5, 0, 0, 0.5, 0, 0.5]);
  assert.deepEqual([...poolingMatrix(5, 2)], [third, 0, third, 0, third, third, 0, third, 0, third]);
  assert.deepEqual([...poolingMatrix(1, 3)], [1, 1, 1]);
});
