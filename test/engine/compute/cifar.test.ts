/** ResNets on real images: logits and gradients that PyTorch computed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { gradientName, gradientProgram, predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import { installedRuntime, loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { readReference } from '../../support/reference.ts';
import { skipWithoutShared } from '../data/shared.ts';
import { type CifarReference, cifarBatch, cifarWeights } from './cifar.ts';

const skip = skipWithoutShared || (!installedRuntime() && 'the TensorFlow runtime is not installed');

const resnet = (depth: number): Graph => buildModel(`resnet${depth}`) as Graph;
const near = (actual: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, should be ${expected}`);

for (const [checkpoint, depth] of [
  ['resnet20-12fca82f', 20],
  ['resnet32-d509ac18', 32],
] as const)
  test(`${checkpoint}: logits and gradients`, { skip }, async () => {
    const { logits, gradient_batch: expected } = readReference<CifarReference>('cifar.json').checkpoints[checkpoint];
    const graph = resnet(depth);
    const session = await tensorFlowExecutor(loadTensorFlow()).open({
      predict: predictProgram(graph),
      gradients: gradientProgram(graph, { targets: 'labels', accumulate: 'sum' }),
    });
    await session.assign(await cifarWeights(checkpoint));

    const files = Object.keys(logits);
    const { logits: actual } = await session.run('predict', { ...(await cifarBatch('test', files)) });
    files.forEach((file, i) => {
      logits[file].forEach((value, j) => {
        near(actual[i * 10 + j], value, 1e-3, `${file}, class ${j}`);
      });
    });

    const { loss } = await session.run('gradients', { ...(await cifarBatch('test', expected.files)) });
    near(loss[0], expected.loss, 1e-4, 'loss');
    for (const [name, { abs_sum }] of Object.entries(expected.gradients)) {
      const gradient = (await session.read([gradientName(name)])).get(gradientName(name))?.data as Float32Array;
      const sum = gradient.reduce((a, b) => a + Math.abs(b), 0);
      near(sum, abs_sum, 1e-3 * abs_sum, name);
    }
    await session.dispose();
  });
