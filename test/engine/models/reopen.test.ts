/** Files that Espalier wrote open again with nothing else said, and as the same network for images of another size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resizePositionEmbedding } from '../../../src/engine/architectures/resize-embeddings.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import type { Tensor } from '../../../src/engine/graph/tensor.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { headsByLayer } from '../../../src/engine/jobs/opening/model-info.ts';
import { EMPTY_RECORD, withRemark, withStep } from '../../../src/engine/jobs/record.ts';
import { testFolder } from '../checkpoint/files.ts';
import { makeNetwork, type Network } from '../export/exported.ts';
import { assertSameWeights } from './same-weights.ts';

const folder = testFolder();
const small = { inputSize: 32, classes: 5 };
const prune = { headRatio: 0.34, headDimRatio: 0.3 };

const cases = [
  { model: 'deit_tiny_distilled_patch16_224', build: small, prune },
  { model: 'vit_tiny_patch16_224', build: small, prune },
  { model: 'convnext_tiny', build: { ...small, dropPath: 0.1, dropout: 0.2 }, prune: {} },
  { model: 'swin_tiny_patch4_window7_224', build: small, prune },
  { model: 'resnet18', build: small, prune: {} },
  { model: 'resnext50_32x4d', build: small, prune: {} },
  // Which side of a shortcut lost more zeros is in no tensor.
  { model: 'resnet20', build: { classes: 5 }, prune: {} },
  { model: 'mobilenet_v2', build: small, prune: {} },
  { model: 'mobilenetv2_100', build: small, prune: {} },
  { model: 'regnety_004', build: small, prune: {} },
  { model: 'densenet121', build: small, prune: {} },
  { model: 'efficientnet_b0', build: small, prune: {} },
];

async function save({ graph, weights }: Network, format: string): Promise<string> {
  const file = `${folder.path}/${graph.name}.${format}`;
  const record = withStep(EMPTY_RECORD, graphCost(graph), { step: 'pruned', summary: 'random' });
  await saveModel(file, graph, weights, record);
  return file;
}

for (const network of cases)
  test(`${network.model}, pruned, opens again from .safetensors and .pth`, async () => {
    const { graph, weights } = await makeNetwork(network);
    for (const format of ['safetensors', 'pth']) {
      const model = await openModel({ model: await save({ graph, weights }, format) });
      assert.deepEqual(model.graph, graph);
      assert.equal(model.record.history[0].summary, 'random');
      assertSameWeights(await model.weights(), weights);
    }
  });

test('a remark stands behind what the last step says', () => {
  const cost = { macs: 2, macsTrue: 2, params: 1 };
  const first = withStep(EMPTY_RECORD, cost, { step: 'pruned', summary: 'l1' });
  const { history } = withRemark(
    withStep(first, cost, { step: 'repaired', summary: 'on 8 images' }),
    'statistics anew',
  );
  assert.deepEqual(
    history.map(({ summary }) => summary),
    ['l1', 'on 8 images; statistics anew'],
  );
  assert.equal(withRemark(EMPTY_RECORD, 'nothing to add to'), EMPTY_RECORD);
});

test('another image size: heads stay as pruned, positions are resized, the rest is as it was', async () => {
  const network = await makeNetwork({ model: 'deit_tiny_distilled_patch16_224', build: small, prune });
  const heads = headsByLayer(network.graph);
  assert.ok(new Set(Object.values(heads)).size > 1, 'layers differ in their heads');
  const model = await openModel({ model: await save(network, 'safetensors'), inputSize: 80 });
  assert.deepEqual([model.graph.input.height, model.graph.input.width], [80, 80]);
  assert.deepEqual(headsByLayer(model.graph), heads);
  const resized = resizePositionEmbedding(network.weights.get('pos_embed') as Tensor, 2 + 25, 2);
  assertSameWeights(await model.weights(), new Map([...network.weights, ['pos_embed', resized]]));
});

test('a Swin of another window: bias tables are resized, heads stay', async () => {
  const network = await makeNetwork({ model: 'swin_tiny_patch4_window7_224', build: small, prune });
  const model = await openModel({ model: await save(network, 'pth'), inputSize: 96 });
  assert.deepEqual(headsByLayer(model.graph), headsByLayer(network.graph));
  const found = await model.weights();
  const name = 'layers.3.blocks.1.attn.relative_position_bias_table';
  // 32 / 4 = 8 positions a side at first, 1 in the last stage; 96 / 4 = 24, so 3 there.
  assert.deepEqual([network.weights.get(name)?.shape[0], found.get(name)?.shape[0]], [1, 25]);
  const qkv = 'layers.3.blocks.1.attn.qkv.weight';
  assert.deepEqual(found.get(qkv), network.weights.get(qkv) as Tensor);
});

test('drop rates may be others than those of the run before', async () => {
  const network = await makeNetwork({ model: 'convnext_tiny', build: { ...small, dropPath: 0.2 }, prune: {} });
  const file = await save(network, 'safetensors');
  const ratesOf = (graph: Network['graph']): number[] =>
    graph.nodes.flatMap((node) => (node.kind === 'dropPath' ? [node.attributes.probability] : []));
  assert.equal(Math.max(...ratesOf((await openModel({ model: file })).graph)), 0.2);
  assert.equal(Math.max(...ratesOf((await openModel({ model: file, dropPath: 0.1 })).graph)), 0.1);
  assert.deepEqual(ratesOf((await openModel({ model: file, dropPath: 0 })).graph), []);
});

test('under another name it is refused', async () => {
  const network = await makeNetwork({ model: 'resnet18', build: small, prune: {} });
  const ckpt = await save(network, 'pth');
  await assert.rejects(openModel({ model: 'resnet34', ckpt }), /does not fit resnet34: it holds a resnet18/);
  assert.deepEqual((await openModel({ model: 'resnet18.tv_in1k', ckpt })).graph, network.graph);
});
