/**
 * Torch-Pruning itself, where it is installed, at ratios and criteria that no recorded case has: the same tensors are left, to
 * the last bit. Swin, whose patch merging it cannot prune by itself, and removed blocks are among the recorded cases.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Criterion } from '../../src/common/criteria.ts';
import { findVariant } from '../../src/engine/architectures/registry.ts';
import { readCheckpoint } from '../../src/engine/checkpoint/checkpoint.ts';
import { writePth } from '../../src/engine/checkpoint/torch/torch-write.ts';
import { float32Tensor, type Tensor, toFloat32 } from '../../src/engine/graph/tensor.ts';
import { headsByLayer } from '../../src/engine/jobs/opening/model-info.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { compilePlanner } from '../../src/engine/pruning/planning/planner.ts';
import { prune } from '../../src/engine/pruning/rebuilding/apply-plan.ts';
import { scoreGroups } from '../../src/engine/pruning/scoring/importance.ts';
import { testFolder } from '../engine/checkpoint/files.ts';
import { fillWeights, gradient } from '../support/detfill.ts';
import { noPythonWith, runPython } from '../support/python.ts';

interface Case {
  readonly model: string;
  readonly criterion: Criterion;
  readonly ratio: number;
  readonly head_ratio?: number;
  readonly head_dim_ratio?: number;
  readonly global: boolean;
  readonly isomorphic: boolean;
  readonly round_to: number;
}

const isomorphic = { global: true, isomorphic: true, round_to: 2 };
const cases: readonly Case[] = [
  { model: 'resnet34', criterion: 'l1', ratio: 0.3, ...isomorphic },
  { model: 'resnet34', criterion: 'taylor', ratio: 0.45, global: false, isomorphic: false, round_to: 2 },
  { model: 'resnext50_32x4d', criterion: 'taylor', ratio: 0.4, ...isomorphic },
  { model: 'resnet50', criterion: 'l2', ratio: 0.35, global: true, isomorphic: false, round_to: 8 },
  { model: 'regnety_008', criterion: 'taylor', ratio: 0.35, ...isomorphic },
  { model: 'densenet121', criterion: 'taylor', ratio: 0.3, ...isomorphic },
  { model: 'efficientnet_b0', criterion: 'l2', ratio: 0.25, ...isomorphic },
  { model: 'mobilenetv2_100', criterion: 'l1', ratio: 0.4, global: false, isomorphic: false, round_to: 2 },
  { model: 'vit_tiny_patch16_224', criterion: 'l2', ratio: 0.4, head_ratio: 0.34, ...isomorphic },
  {
    model: 'deit_small_patch16_224',
    criterion: 'taylor',
    ratio: 0.6,
    head_ratio: 0.33,
    head_dim_ratio: 0.2,
    ...isomorphic,
  },
];

const folder = testFolder();

for (const [i, reference] of cases.entries()) {
  const { model, criterion, ratio, head_ratio: headRatio, head_dim_ratio: headDimRatio } = reference;
  const ranking = reference.isomorphic ? 'isomorphic' : reference.global ? 'global' : 'local';
  test(`${model}: ${criterion}, ${ranking}, ${ratio}`, {
    skip: noPythonWith('torch', 'timm', 'torch_pruning'),
  }, async () => {
    const graph = findVariant(model)?.build() ?? assert.fail();
    const weights = fillWeights(graph);
    const gradients = new Map(
      graph.parameters
        .filter(({ trainable }) => trainable)
        .map(({ name, shape }): [string, Tensor] => [name, float32Tensor(shape, gradient(name, shape))]),
    );
    const id = `case${i}`;
    await writePth(`${folder.path}/${id}.pth`, weights, {});
    await writePth(`${folder.path}/${id}.gradients.pth`, gradients, {});
    const heads = runPython<Record<string, Record<string, number>>>(
      'full/prune_torch_pruning.py',
      folder.path,
      JSON.stringify([{ id, ...reference }]),
    )[id];
    const groups = couple(graph);
    const of = (name: string): Float32Array => gradients.get(name)?.data as Float32Array;
    const scores = await scoreGroups(groups, weights, {
      criterion,
      ...(criterion === 'taylor' && { gradients: { kind: 'combined', of } }),
    });
    const options = {
      ratio,
      isomorphic: reference.isomorphic,
      global: reference.global,
      roundTo: reference.round_to,
      ...(headRatio !== undefined && { headRatio }),
      ...(headDimRatio !== undefined && { headDimRatio }),
    };
    const found = prune(graph, weights, compilePlanner(groups, scores).plan(options), groups);
    const { weights: expected } = await readCheckpoint(`${folder.path}/${id}.pruned.pth`);
    for (const [name, tensor] of expected) {
      const ours = found.weights.get(name) ?? assert.fail(`${name} is missing`);
      assert.deepEqual(ours.shape, tensor.shape, name);
      assert.deepEqual(toFloat32(ours), toFloat32(tensor), name);
    }
    const expectedHeads = Object.entries(heads).map(([attention, count]) => [`${attention}.qkv`, count]);
    assert.deepEqual(headsByLayer(found.graph), Object.fromEntries(expectedHeads));
  });
}
