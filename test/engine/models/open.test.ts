/** Every form in which a network's weights come, opened as a model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { depthRamp } from '../../../src/engine/architectures/layers.ts';
import { findVariant, variants } from '../../../src/engine/architectures/registry.ts';
import type { BuildOptions } from '../../../src/engine/architectures/variant.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { type Graph, logitsOf } from '../../../src/engine/graph/graph.ts';
import { inferShapes } from '../../../src/engine/graph/shapes.ts';
import { float32Tensor, type Weights } from '../../../src/engine/graph/tensor.ts';
import { AmbiguousHeadsError, openModel } from '../../../src/engine/jobs/opening/model.ts';
import { headsByLayer } from '../../../src/engine/jobs/opening/model-info.ts';
import { fillWeights } from '../../support/detfill.ts';
import { testFolder } from '../checkpoint/files.ts';
import { dict, instance, list, orderedDict } from '../checkpoint/pickle-writer.ts';
import { assertSameWeights } from './same-weights.ts';
import { namespace, StateFile } from './torch-state.ts';

const folder = testFolder();
const build = (name: string, options: BuildOptions = {}): Graph =>
  findVariant(name)?.build({ classes: 5, ...options }) ?? assert.fail(name);

/** Widths of a pruned DeiT-Tiny at 32 × 32: heads of 40, of which two layers have 3, one 2 and one 1. */
const prunedHeads = new Map([
  ['blocks.0.attn', [3, 40]],
  ['blocks.1.attn', [3, 40]],
  ['blocks.2.attn', [2, 40]],
  ['blocks.3.attn', [1, 40]],
]);
const headsAt = (attention: string): number => prunedHeads.get(attention)?.[0] ?? 3;

function prunedDeit(name = 'deit_tiny_patch16_224'): Graph {
  const dense = new Map(build(name, { inputSize: 32 }).parameters.map((p) => [p.name, p.shape]));
  for (const [attention, [heads, headDim]] of prunedHeads) {
    const width = heads * headDim;
    dense.set(`${attention}.qkv.weight`, [3 * width, 192]);
    dense.set(`${attention}.qkv.bias`, [3 * width]);
    dense.set(`${attention}.proj.weight`, [192, width]);
  }
  for (const parameter of [...dense.keys()]) if (/^blocks\.([4-9]|1\d)\./.test(parameter)) dense.delete(parameter);
  return build(name, { inputSize: 32, shapes: (parameter) => dense.get(parameter), heads: headsAt });
}

const scaled = (weights: Weights, by: number): Weights =>
  new Map(
    [...weights].map(([name, tensor]) => [
      name,
      tensor.dtype === 'int64'
        ? tensor
        : { ...tensor, data: Float32Array.from(tensor.data as Float32Array, (v) => v * by) },
    ]),
  );

/** Opens it and asserts the Graph and that the weights are `expected`, to the last bit. */
async function assertOpens(
  request: Parameters<typeof openModel>[0],
  { graph, weights }: { readonly graph: Graph; readonly weights: Weights },
): Promise<void> {
  const model = await openModel(request);
  assert.deepEqual(model.graph, graph);
  assertSameWeights(await model.weights(), weights);
}

const network = build('mobilenetv2_100', { inputSize: 32 });
const trained = { graph: network, weights: fillWeights(network) };
const averaged = { graph: network, weights: scaled(trained.weights, 0.5) };
const inputSize = 32;

test('a plain state dict, .pth and .safetensors', async () => {
  const file = new StateFile();
  const pth = folder.file('plain.pth', file.save(orderedDict(file.entries(trained.weights))));
  await assertOpens({ model: pth, inputSize }, trained);
  const safetensors = `${folder.path}/plain.safetensors`;
  await writeSafetensors(safetensors, trained.weights, {});
  await assertOpens({ model: safetensors, inputSize }, trained);
  await assertOpens({ model: 'mobilenetv2_100.ra_in1k', ckpt: pth, inputSize }, trained);
});

test('a state dict of a data-parallel model', async () => {
  const file = new StateFile();
  const entries = file.entries(trained.weights, (name) => `module.${name}`);
  await assertOpens({ model: folder.file('ddp.pth', file.save(orderedDict(entries))), inputSize }, trained);
});

test("timm's training checkpoint: the model's weights, or their average", async () => {
  const file = new StateFile();
  const optimizer = dict({ state: dict({ '0': dict({ step: 3 }) }), param_groups: list(dict({ lr: 0.001 })) });
  const root = dict({
    epoch: 7,
    arch: 'mobilenetv2_100',
    state_dict: orderedDict(file.entries(trained.weights)),
    state_dict_ema: orderedDict(file.entries(averaged.weights)),
    optimizer,
    version: 2,
    args: namespace({ model: 'mobilenetv2_100', lr: 0.001, sched: 'cosine' }),
    amp_scaler: dict({ scale: 65536 }),
    metric: 71.5,
  });
  const model = folder.file('timm.pth.tar.pth', file.save(root));
  await assertOpens({ model, inputSize }, trained);
  await assertOpens({ model, inputSize, useEma: true }, averaged);
  await assertOpens({ model: 'mobilenetv2_100', ckpt: model, inputSize, useEma: true }, averaged);
  assert.deepEqual((await openModel({ model, useEma: true })).notes, ['weights from state_dict_ema']);
});

test("torchvision's training checkpoint: model, and model_ema with a counter and prefixes", async () => {
  const file = new StateFile();
  const average = file.entries(
    new Map([['n_averaged', { dtype: 'int64', shape: [], data: BigInt64Array.of(9n) }], ...averaged.weights]),
    (name) => (name === 'n_averaged' ? name : `module.${name}`),
  );
  const root = dict({
    model: orderedDict(file.entries(trained.weights)),
    model_ema: orderedDict(average),
    epoch: 3,
    args: namespace({ model: 'mobilenet_v2' }),
  });
  const model = folder.file('torchvision.pth', file.save(root));
  await assertOpens({ model, inputSize }, trained);
  await assertOpens({ model, inputSize, useEma: true }, averaged);
});

test('an old Swin file with its computed buffers, at another window and image size', async () => {
  const graph = build('swin_tiny_patch4_window7_224', { inputSize: 64 });
  const weights = fillWeights(graph);
  const old = new Map(weights);
  for (const name of [...weights.keys()])
    if (name.endsWith('relative_position_bias_table'))
      old.set(name.replace('bias_table', 'index'), { dtype: 'int64', shape: [2], data: BigInt64Array.of(0n, 1n) });
  old.set('layers.0.blocks.1.attn_mask', float32Tensor([4, 49, 49]));
  const file = new StateFile();
  const saved = folder.file('swin.pth', file.save(dict({ model: orderedDict(file.entries(old)) })));
  // 64 / 4 = 16 positions a side: 16, 8, 4 and 2, the last two in windows of their own size.
  await assertOpens({ model: saved, inputSize: 64 }, { graph, weights });
  assert.equal((await openModel({ model: saved })).graph.input.height, 64);
  const larger = await openModel({ model: saved, inputSize: 224 });
  assert.equal(larger.graph.input.height, 224);
  const table = (await larger.weights()).get('layers.3.blocks.0.attn.relative_position_bias_table');
  assert.deepEqual(table?.shape, [13 * 13, 24]);
});

test('a bare state dict of a pruned transformer: the heads are asked for, the likely ones named', async () => {
  const graph = prunedDeit();
  const weights = fillWeights(graph);
  const file = new StateFile();
  const bare = folder.file('bare.pth', file.save(orderedDict(file.entries(weights))));
  for (const request of [{ model: bare }, { model: 'deit_tiny_patch16_224', ckpt: bare }])
    await assert.rejects(openModel(request), (error) => {
      assert.ok(error instanceof AmbiguousHeadsError);
      assert.match(
        error.message,
        /bare\.pth: How many attention heads .* blocks\.0\.attn 120 = .*3 × 40 \(likely\).* Likely heads, layer by layer: 3,3,2,1\. Give them with --heads/,
      );
      assert.deepEqual(
        error.candidates.map(({ width, suggested }) => [width, suggested]),
        [
          [120, 3],
          [120, 3],
          [80, 2],
          [40, 1],
        ],
      );
      return true;
    });
  await assertOpens({ model: bare, heads: [3, 3, 2, 1] }, { graph, weights });
  await assert.rejects(openModel({ model: bare, heads: [7] }), /does not divide|do not divide/);
});

/** Class and attributes that PyTorch gives a layer of a ViT. */
function layerClass(name: string): [module: string, type: string, attributes: Record<string, number | number[]>] {
  if (/norm/.test(name)) return ['torch.nn.modules.normalization', 'LayerNorm', { eps: 1e-6 }];
  if (name === 'patch_embed.proj') return ['torch.nn.modules.conv', 'Conv2d', { stride: [16, 16] }];
  return ['torch.nn.modules.linear', 'Linear', {}];
}

test('a whole pickled module: heads, drop rates and name are the record’s', async () => {
  const graph = prunedDeit('vit_tiny_patch16_224');
  const weights = fillWeights(graph);
  const file = new StateFile();
  const entries = file.entries(weights);
  const leaf = (name: string, attributes = {}) => {
    const own = Object.entries(entries).filter(([key]) => key.slice(0, key.lastIndexOf('.')) === name);
    const [module, type, more] = layerClass(name);
    return instance(module, type, {
      _parameters: dict(Object.fromEntries(own.map(([key, value]) => [key.slice(name.length + 1), value]))),
      _buffers: dict({}),
      _modules: dict({}),
      ...more,
      ...attributes,
    });
  };
  const parent = (module: string, name: string, children: Parameters<typeof dict>[0], more = {}) =>
    instance(module, name, { _parameters: dict({}), _buffers: dict({}), _modules: dict(children), ...more });
  const drop = (probability: number) => parent('timm.layers.drop', 'DropPath', {}, { drop_prob: probability });
  const block = (i: number, rate: number) => {
    const at = `blocks.${i}`;
    return parent('timm.models.vision_transformer', 'Block', {
      norm1: leaf(`${at}.norm1`),
      attn: parent(
        'timm.models.vision_transformer',
        'Attention',
        { qkv: leaf(`${at}.attn.qkv`), proj: leaf(`${at}.attn.proj`) },
        { num_heads: headsAt(`${at}.attn`) },
      ),
      drop_path1: drop(rate),
      norm2: leaf(`${at}.norm2`),
      mlp: parent('timm.layers.mlp', 'Mlp', {
        fc1: leaf(`${at}.mlp.fc1`),
        act: parent('timm.layers.activations', 'GELU', {}),
        fc2: leaf(`${at}.mlp.fc2`),
      }),
      drop_path2: drop(rate),
    });
  };
  const network = (rates: readonly number[]) =>
    parent(
      'timm.models.vision_transformer',
      'VisionTransformer',
      {
        patch_embed: parent('timm.layers', 'PatchEmbed', { proj: leaf('patch_embed.proj') }),
        blocks: parent(
          'torch.nn',
          'Sequential',
          Object.fromEntries(rates.map((rate, i) => [String(i), block(i, rate)])),
        ),
        norm: leaf('norm'),
        head_drop: parent('torch.nn.modules.dropout', 'Dropout', {}, { p: 0.25 }),
        head: leaf('head'),
      },
      {
        _parameters: dict({ cls_token: entries['cls_token'], pos_embed: entries['pos_embed'] }),
        pretrained_cfg: dict({ architecture: 'vit_tiny_patch16_224' }),
      },
    );
  const saved = folder.file('module.pth', file.save(network(depthRamp(4, 0.09))));
  const shapes = new Map(graph.parameters.map((p) => [p.name, p.shape]));
  const options = { inputSize: 32, heads: headsAt, shapes: (name: string) => shapes.get(name) };
  const expected = build('vit_tiny_patch16_224', { ...options, dropPath: 0.09, dropout: 0.25 });
  await assertOpens({ model: saved }, { graph: expected, weights });
  const uneven = folder.file('uneven.pth', file.save(network([0, 0.02, 0.07, 0.09])));
  const rates = (await openModel({ model: uneven })).graph.nodes.flatMap((node) =>
    node.kind === 'dropPath' ? [node.attributes.probability] : [],
  );
  assert.deepEqual(rates, [0.02, 0.02, 0.07, 0.07, 0.09, 0.09]);
  const without = build('vit_tiny_patch16_224', { ...options, dropPath: 0, dropout: 0 });
  await assertOpens({ model: saved, dropPath: 0, dropout: 0 }, { graph: without, weights });
  assert.deepEqual(Object.values(headsByLayer(expected)), [3, 3, 2, 1]);
  assert.deepEqual(expected.input.mean, [0.5, 0.5, 0.5]);
});

test('weights of another network than the one named', async () => {
  const file = new StateFile();
  const saved = folder.file('other.pth', file.save(orderedDict(file.entries(trained.weights))));
  await assert.rejects(
    openModel({ model: 'resnet50', ckpt: saved }),
    /other\.pth does not fit resnet50: it holds a mobilenetv2_100\./,
  );
});

test('a name alone has as many classes as asked, whichever it is', async () => {
  const families = new Map(variants.map(({ family, name }) => [family, name]));
  for (const model of families.values()) {
    const { graph, hasWeights } = await openModel({ model, classes: 7, pretrained: 'timm' });
    assert.equal(hasWeights, false);
    assert.equal(graph.classes, 7, model);
    assert.equal(inferShapes(graph).get(logitsOf(graph))?.at(-1), 7, model);
  }
});

test('a file says its own number of classes: another is refused', async () => {
  const graph = build('resnet20');
  const file = `${folder.path}/five.safetensors`;
  await writeSafetensors(file, fillWeights(graph), {});
  assert.equal((await openModel({ model: 'resnet20', ckpt: file, classes: 5 })).graph.classes, 5);
  for (const request of [
    { model: file, classes: 7 },
    { model: 'resnet20', ckpt: file, classes: 7 },
  ])
    await assert.rejects(openModel(request), /five\.safetensors has 5 classes, not 7: --num-classes is for a model/);
  await assert.rejects(openModel({ model: 'resnet20', classes: 0 }), /--num-classes needs at least 1, got 0/);
});
