/** Runs of a few small steps: images, options and an executor for tests of training. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { flagDefaults } from '../../../src/common/flags.ts';
import { buildModel, findVariant } from '../../../src/engine/architectures/registry.ts';
import type { Executor } from '../../../src/engine/compute/executor.ts';
import { installedRuntime, loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import { generateProceduralDataset } from '../../../src/engine/data/procedural/dataset.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { Tensor, Weights } from '../../../src/engine/graph/tensor.ts';
import type { FinetuneRequest } from '../../../src/engine/jobs/finetune.ts';
import { saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import { initialiseWeights } from '../../../src/engine/training/initialise.ts';
import { BEST, LATEST, RunDirectory } from '../../../src/engine/training/run-directory.ts';
import { readRunState } from '../../../src/engine/training/run-state.ts';
import { type TrainingOptions, trainingFlags } from '../../../src/engine/training/training-options.ts';

export const skipWithoutRuntime = !installedRuntime() && 'the TensorFlow runtime is not installed';

export const executor = (): Executor => tensorFlowExecutor(loadTensorFlow());

/** A folder that goes with the file's tests. */
export function workFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-run-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const TINY = { classes: 10, trainPerClass: 16, testPerClass: 4, size: 16 } as const;

/** The checkpoint that `tinyImages` writes beside the images. */
export const tinyModel = (images: string): string => `${images}.safetensors`;

/** ResNet-20 with one block a stage: what a run does is the same in eight layers, and a session of them starts in half the time. */
function eightLayers(): Graph {
  const whole = buildModel('resnet20', { inputSize: TINY.size }) ?? assert.fail('no resnet20');
  const shapes = new Map(
    whole.parameters.filter(({ name }) => !/^layer\d\.[12]\./.test(name)).map(({ name, shape }) => [name, shape]),
  );
  const small = findVariant('resnet20')?.build({ inputSize: TINY.size, shapes: (name) => shapes.get(name) });
  assert.equal(small?.parameters.length, shapes.size);
  return small as Graph;
}

/** 160 training and 40 test images of ten classes, 16 pixels wide; beside them an untrained network for them (`tinyModel`). */
export async function tinyImages(folder: string): Promise<string> {
  const place = path.join(folder, 'images');
  await generateProceduralDataset(place, TINY);
  const graph = eightLayers();
  await saveModel(tinyModel(place), graph, initialiseWeights(graph, 0), EMPTY_RECORD);
  return place;
}

const tinyOptions = (changes: Partial<TrainingOptions> = {}): TrainingOptions => ({
  ...flagDefaults(trainingFlags),
  epochs: 2,
  batchSize: 32,
  lr: 0.01,
  workers: 1,
  ...changes,
});

/** The untrained network on 16 pixels: two epochs of five steps unless the changes say otherwise. */
export const tinyRequest = (dataPath: string, changes: Partial<TrainingOptions> = {}): FinetuneRequest => ({
  model: { model: tinyModel(dataPath) },
  dataPath,
  options: tinyOptions(changes),
});

/** Names of the tensors that differ in a bit, or are missing in one. */
export function differences(a: Weights, b: Weights): string[] {
  const bytes = ({ data: { buffer, byteOffset, byteLength } }: Tensor): Buffer =>
    Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => {
    const [x, y] = [a.get(name), b.get(name)];
    return !x || !y || !bytes(x).equals(bytes(y));
  });
}

const floats = ({ data }: Tensor): number[] => Array.from(data as ArrayLike<number>, Number);

/** The largest difference of each tensor, as a share of its largest value: the worst of all, with its name. */
export function worstDifference(found: Weights, expected: Weights, names: readonly string[]): [string, number] {
  let worst: [string, number] = ['', 0];
  for (const name of names) {
    const [a, b] = [floats(found.get(name) as Tensor), floats(expected.get(name) as Tensor)];
    const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
    const share = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) / scale;
    if (!(share <= worst[1])) worst = [name, share];
  }
  return worst;
}

/** What does not depend on how fast the machine was. */
async function metricsOf(directory: string): Promise<object[]> {
  const lines = await (await RunDirectory.open(directory)).metrics();
  return lines.map(({ imagesPerSecond: _, ...line }) => line);
}

/** Asserts that two runs came to the same tensors, bit for bit, and wrote the same metrics but for times. */
export async function assertSameRun(a: string, b: string): Promise<void> {
  for (const file of [LATEST, BEST]) {
    const [x, y] = await Promise.all([a, b].map((directory) => readRunState(path.join(directory, file))));
    assert.ok(x.tensors.size > 40);
    assert.deepEqual(differences(x.tensors, y.tensors), [], file);
    assert.deepEqual(x.progress, y.progress, file);
  }
  assert.deepEqual(await metricsOf(a), await metricsOf(b));
}
