/** Batch norm statistics averaged anew, as PyTorch does it with momentum None. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import { ImageLoader } from '../../../src/engine/data/loader.ts';
import { evalTransform } from '../../../src/engine/data/transforms.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { Tensor, Weights } from '../../../src/engine/graph/tensor.ts';
import { recalibratedWeights } from '../../../src/engine/jobs/repair/recalibrate.ts';
import {
  averageStatistics,
  runningStatistics,
  statisticsProgram,
} from '../../../src/engine/training/batch-norm-statistics.ts';
import { initialiseWeights } from '../../../src/engine/training/initialise.ts';
import { crossEntropy } from '../../../src/engine/training/metrics.ts';
import { readReference } from '../../support/reference.ts';
import { CIFAR_CLASSES, cifarBatch, cifarWeights } from '../compute/cifar.ts';
import { sharedPath, skipWithoutShared } from '../data/shared.ts';
import { differences, executor, skipWithoutRuntime, tinyImages, workFolder } from './tiny.ts';

const work = workFolder();

/**
 * resnet20-12fca82f over the first three batches of 32 of training.json's files, by PyTorch in double precision: sums of |running_mean|
 * and running_var after reset_running_stats(), momentum None and forward passes in training mode.
 */
const PYTORCH = {
  bn1: [1.5139588551427634, 58.03289981058627],
  'layer2.0.bn2': [29.753046260512924, 49.354176000461706],
  'layer3.2.bn2': [6.453726891489972, 8.813821416644704],
} as const;
/** And the loss that the fourth batch then has in evaluation. */
const PYTORCH_LOSS = 0.6652682953507063;

const sumOf = (weights: Weights, name: string): number =>
  ((weights.get(name) as Tensor).data as Float32Array).reduce((sum, value) => sum + Math.abs(value), 0);
const near = (actual: number, expected: number, share: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= share * expected, `${what}: ${actual}, should be ${expected}`);

test('the mean over batches, as PyTorch has it', { skip: skipWithoutShared || skipWithoutRuntime }, async () => {
  const { files } = readReference<{ files: string[] }>('training.json');
  const samples = files.map((file) => ({
    file: path.join(sharedPath, 'data', 'cifar10', 'train', file),
    label: CIFAR_CLASSES.indexOf(path.dirname(file)),
  }));
  const graph = buildModel('resnet20') as Graph;
  const weights = await cifarWeights('resnet20-12fca82f');
  const loader = new ImageLoader({ samples, transform: evalTransform(32), batchSize: 32, workers: 0 });
  const session = await executor().open({ statistics: statisticsProgram(graph), predict: predictProgram(graph) });
  await session.assign(weights);
  const statistics = await averageStatistics(session, graph, loader, 3);
  assert.deepEqual([...statistics.keys()].sort(), [...runningStatistics(graph)].sort());
  for (const [name, [mean, variance]] of Object.entries(PYTORCH)) {
    near(sumOf(statistics, `${name}.running_mean`), mean, 1e-4, `${name}.running_mean`);
    near(sumOf(statistics, `${name}.running_var`), variance, 1e-4, `${name}.running_var`);
  }
  await session.assign(statistics);
  const batch = await cifarBatch('train', files.slice(96, 128));
  const { logits } = await session.run('predict', batch);
  const losses = Array.from(batch.labels, (label, i) => crossEntropy(logits, i * 10, 10, label));
  near(losses.reduce((a, b) => a + b) / 32, PYTORCH_LOSS, 1e-4, 'loss');
  await loader.close();
  await session.dispose();
});

test('nothing else changes, and order and number of batches follow the seed', {
  skip: skipWithoutRuntime,
}, async () => {
  const data = { dataPath: await tinyImages(work), batchSize: 32, workers: 0 };
  const graph = buildModel('resnet20', { inputSize: 16 }) as Graph;
  const weights = initialiseWeights(graph, 1);
  const run = (batches: number, seed = 0): Promise<Weights> =>
    recalibratedWeights({ graph, weights }, { data, batches, seed }, executor());
  const [two, again, other] = [await run(2), await run(2), await run(2, 1)];
  assert.deepEqual(differences(two, again), []);
  assert.deepEqual(differences(weights, two).sort(), [...runningStatistics(graph)].sort());
  assert.ok(differences(two, other).length > 0);
  // More than there are is all of them, in whatever order.
  const all = [await run(5), await run(50)];
  assert.deepEqual(differences(all[0], all[1]), []);
});

test('a share of the new statistics is mixed with the old ones', { skip: skipWithoutRuntime }, async () => {
  const data = { dataPath: await tinyImages(work), batchSize: 32, workers: 0 };
  const graph = buildModel('resnet20', { inputSize: 16 }) as Graph;
  const weights = initialiseWeights(graph, 1);
  const run = (share?: number): Promise<Weights> =>
    recalibratedWeights({ graph, weights }, { data, batches: 2, ...(share && { share }) }, executor());
  const [whole, quarter] = [await run(), await run(0.25)];
  assert.deepEqual(differences(weights, quarter).sort(), [...runningStatistics(graph)].sort());
  for (const name of runningStatistics(graph)) {
    const [old, found, mixed] = [weights, whole, quarter].map((of) => of.get(name)?.data as Float32Array);
    mixed.forEach((value, i) => {
      const wanted = 0.75 * old[i] + 0.25 * found[i];
      assert.ok(
        Math.abs(value - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted)),
        `${name}[${i}]: ${value}, not ${wanted}`,
      );
    });
  }
});

test('a network without batch norm has nothing to recalibrate', { skip: skipWithoutRuntime }, async () => {
  const graph = buildModel('deit_tiny_patch16_224', { inputSize: 16, classes: 10 }) as Graph;
  const request = { data: { dataPath: await tinyImages(work), batchSize: 8, workers: 0 }, batches: 1 };
  await assert.rejects(
    recalibratedWeights({ graph, weights: initialiseWeights(graph, 0) }, request, executor()),
    /deit_tiny_patch16_224 has no batch norm/,
  );
});
