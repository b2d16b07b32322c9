/** Weight decay by parameter, as the reference's set_weight_decay sorts them into groups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { weightDecayOf } from '../../../src/engine/training/weight-decay.ts';

type Options = Parameters<typeof weightDecayOf>[1];

function decays(model: string, options: Partial<Options>): Record<string, number> {
  const graph = buildModel(model) as Graph;
  const all = {
    weightDecay: 0.1,
    normWeightDecay: undefined,
    biasWeightDecay: undefined,
    transformerEmbeddingDecay: undefined,
  };
  const decayOf = weightDecayOf(graph, { ...all, ...options });
  return Object.fromEntries(graph.parameters.filter((p) => p.trainable).map((p) => [p.name, decayOf(p)]));
}

test('one decay for all unless others are given', () => {
  assert.deepEqual([...new Set(Object.values(decays('resnet20', {})))], [0.1]);
});

test('norms apart: scale and bias', () => {
  const found = decays('resnet20', { normWeightDecay: 0 });
  assert.deepEqual(
    [found['bn1.weight'], found['bn1.bias'], found['conv1.weight'], found['linear.bias']],
    [0, 0, 0.1, 0.1],
  );
});

test('biases apart: those of norms too, by name before type', () => {
  const found = decays('resnet20', { biasWeightDecay: 0.2, normWeightDecay: 0 });
  assert.deepEqual([found['bn1.weight'], found['bn1.bias'], found['linear.bias']], [0, 0.2, 0.2]);
});

test('embeddings apart, in every spelling', () => {
  const deit = decays('deit_tiny_distilled_patch16_224', { transformerEmbeddingDecay: 0.3, normWeightDecay: 0 });
  const { cls_token, pos_embed, dist_token, 'norm.weight': norm, 'head.weight': head } = deit;
  assert.deepEqual([cls_token, pos_embed, dist_token, norm, head], [0.3, 0.3, 0.3, 0, 0.1]);
  const swin = decays('swin_tiny_patch4_window7_224', { transformerEmbeddingDecay: 0.3 });
  const tables = Object.entries(swin).filter(([name]) => name.endsWith('relative_position_bias_table'));
  assert.equal(tables.length, 12);
  for (const [name, decay] of tables) assert.equal(decay, 0.3, name);
});
