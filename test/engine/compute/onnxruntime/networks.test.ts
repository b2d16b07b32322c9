/** Whole networks in ONNX Runtime: figures that PyTorch computed, on real images and on deterministic ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../../src/engine/architectures/registry.ts';
import { createOnnxRuntimeExecutor } from '../../../../src/engine/compute/onnxruntime/onnxruntime-executor.ts';
import { type OptimizerOptions, optimizerInputs } from '../../../../src/engine/compute/programs/optimizers.ts';
import {
  gradientName,
  gradientProgram,
  predictProgram,
  trainProgram,
} from '../../../../src/engine/compute/programs/programs.ts';
import type { Graph } from '../../../../src/engine/graph/graph.ts';
import { fillWeights, image } from '../../../support/detfill.ts';
import { readReference } from '../../../support/reference.ts';
import { skipWithoutShared } from '../../data/shared.ts';
import { type CifarReference, cifarBatch, cifarWeights } from '../cifar.ts';
import { dataOf } from '../small-network.ts';

const skip = skipWithoutShared;
const executor = await createOnnxRuntimeExecutor();
const near = (actual: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, should be ${expected}`);

test('resnet20 on CIFAR-10: logits and gradients', { skip }, async () => {
  const { logits, gradient_batch: expected } =
    readReference<CifarReference>('cifar.json').checkpoints['resnet20-12fca82f'];
  const graph = buildModel('resnet20') as Graph;
  const session = await executor.open({
    predict: predictProgram(graph),
    gradients: gradientProgram(graph, { targets: 'labels', accumulate: 'sum' }),
  });
  await session.assign(await cifarWeights('resnet20-12fca82f'));
  const files = Object.keys(logits);
  const { logits: actual } = await session.run('predict', { ...(await cifarBatch('test', files)) });
  files.forEach((file, i) => {
    (logits[file] as number[]).forEach((value, j) => {
      near(actual[i * 10 + j], value, 1e-3, `${file}, class ${j}`);
    });
  });
  const { loss } = await session.run('gradients', { ...(await cifarBatch('test', expected.files)) });
  near(loss[0], expected.loss, 1e-4, 'loss');
  const gradients = await session.read(Object.keys(expected.gradients).map(gradientName));
  for (const [name, { abs_sum }] of Object.entries<{ abs_sum: number }>(expected.gradients)) {
    let sum = 0;
    for (const value of dataOf(gradients.get(gradientName(name)))) sum += Math.abs(value);
    near(sum, abs_sum, 1e-3 * abs_sum, name);
  }
  await session.dispose();
});

interface Run {
  readonly optimizer: OptimizerOptions;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** How far losses may be from the float64 reference's: adaptive steps blow rounding up. */
  readonly tolerance: number;
}

const RUNS: Readonly<Record<string, Run>> = {
  sgd: { optimizer: { kind: 'sgd', momentum: 0.9 }, learningRate: 0.005, weightDecay: 1e-4, tolerance: 0.005 },
  adamw: { optimizer: { kind: 'adamw' }, learningRate: 1e-3, weightDecay: 0.05, tolerance: 0.02 },
};

for (const [name, { optimizer, learningRate, weightDecay, tolerance }] of Object.entries(RUNS))
  test(`resnet20, ten steps of ${name}`, { skip }, async () => {
    const {
      files,
      batch_size: size,
      steps,
      runs,
    } = readReference<{
      readonly files: readonly string[];
      readonly batch_size: number;
      readonly steps: number;
      readonly runs: Readonly<Record<string, { readonly loss: readonly number[] }>>;
    }>('training.json');
    const train = trainProgram(buildModel('resnet20') as Graph, {
      optimizer,
      loss: { targets: 'labels' },
      weightDecay: ({ shape }) => (optimizer.kind === 'adamw' && shape.length === 1 ? 0 : weightDecay),
    });
    const session = await executor.open({ train });
    await session.assign(await cifarWeights('resnet20-12fca82f'));
    for (let step = 0; step < steps; step++) {
      const batch = await cifarBatch('train', files.slice(step * size, (step + 1) * size));
      const { loss } = await session.run('train', { ...batch, ...optimizerInputs(optimizer, learningRate, step + 1) });
      const expected = runs[name].loss[step];
      near(loss[0], expected, tolerance * expected, `loss of step ${step}`);
    }
    await session.dispose();
  });

/** One of each kind: depthwise convolutions; attention; windows of attention, rolled. */
const CASES = ['mobilenet_v2_0.15G', 'deit_0.6G', 'swin_tiny_l2'];

for (const name of CASES) {
  test(`logits of ${name}`, async () => {
    const { model, base_logits: expected } = readReference<{ model: string; base_logits: number[] }>(
      `cases/${name}.json`,
    );
    const graph = buildModel(model) as Graph;
    const session = await executor.open({ predict: predictProgram(graph) });
    await session.assign(fillWeights(graph));
    const { data, shape } = image();
    const [, channels, height, width] = shape;
    const images = Float32Array.from(data, (_, i) => data[(i % channels) * height * width + Math.floor(i / channels)]);
    const { logits } = await session.run('predict', { images });
    const scale = Math.max(...expected.map(Math.abs));
    expected.forEach((value, i) => {
      near(logits[i], value, 1e-3 * scale, `logit ${i}`);
    });
    await session.dispose();
  });
}
