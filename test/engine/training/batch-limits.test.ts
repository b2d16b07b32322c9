import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { leastTrainingBatch } from '../../../src/engine/training/batch-limits.ts';

for (const [model, inputSize, least] of [
  ['resnet18', 64, 1],
  ['resnet18', 32, 2],
  ['resnet20', 16, 1],
  ['resnet20', 4, 2],
  ['deit_tiny_patch16_224', 32, 1],
] as const)
  test(`${model} on ${inputSize} pixels can be trained with batches of ${least}`, () => {
    assert.equal(leastTrainingBatch(buildModel(model, { inputSize }) as Graph), least);
  });
