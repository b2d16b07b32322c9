/** Ultralytics' pickled detectors: what they compute, what is left of it when they are pruned, and what is refused. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import type { Executor } from '../../../src/engine/compute/executor.ts';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { Tensor, Weights } from '../../../src/engine/graph/tensor.ts';
import { exportModel } from '../../../src/engine/jobs/export.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { pruneModel } from '../../../src/engine/jobs/prune.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import type { KeptChannels } from '../../../src/engine/pruning/planning/plan-types.ts';
import { pruneGraph } from '../../../src/engine/pruning/rebuilding/prune-graph.ts';
import { findForm } from '../../../src/engine/training/detection/decode.ts';
import { varyingOutputs } from '../../../src/engine/training/imitation.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { readReference } from '../../support/reference.ts';
import { sharedPath } from '../data/shared.ts';
import { workFolder } from '../training/tiny.ts';

const SIDE = 64;
const work = workFolder();
const checkpoint = (name: string): string => path.join(sharedPath, 'data/checkpoints', name);
const skipWithout = (name: string): string | false => !existsSync(checkpoint(name)) && `no ${checkpoint(name)}`;
let executor: Executor;
before(async () => {
  executor = await createExecutor({ backend: 'embedded', threads: 1 });
});

/** linspace(0, 1) as an image [1, 3, S, S], with the channels last. */
function image(): Float32Array<ArrayBuffer> {
  const pixels = SIDE * SIDE;
  const values = new Float32Array(3 * pixels);
  for (let c = 0; c < 3; c++) for (let i = 0; i < pixels; i++) values[3 * i + c] = (c * pixels + i) / (3 * pixels - 1);
  return values;
}

async function outputOf(graph: Graph, weights: Weights): Promise<Float32Array> {
  const session = await executor.open({ predict: predictProgram(graph) });
  try {
    await session.assign(weights);
    return (await session.run('predict', { images: image() })).output0;
  } finally {
    await session.dispose();
  }
}

const open = (name: string) => openModel({ model: checkpoint(name), inputSize: SIDE });

/** Largest difference as a share of the largest value. */
function difference(found: Float32Array, wanted: ArrayLike<number>): number {
  assert.equal(found.length, wanted.length);
  let [most, largest] = [0, 0];
  found.forEach((value, i) => {
    most = Math.max(most, Math.abs(value - wanted[i]));
    largest = Math.max(largest, Math.abs(wanted[i]));
  });
  return most / largest;
}

interface Reference {
  readonly params: number;
  readonly shape: readonly number[];
  readonly first_4: readonly number[];
  readonly sum: number;
}

test('YOLO11n gives what PyTorch gives', { skip: skipWithout('yolo11n.pt') }, async () => {
  const expected = readReference<Record<string, Reference>>('yolo.json')['yolo11n.pt'];
  const model = await open('yolo11n.pt');
  const { graph } = model;
  assert.equal(graph.classes, 0);
  const [output] = varyingOutputs(graph);
  assert.deepEqual([1, ...output.shape.slice(1)], expected.shape);
  assert.equal(findForm([output], 80, graph.name).form.name, 'YOLOv8');
  const values = await outputOf(graph, await model.weights());
  expected.first_4.forEach((value, i) => {
    assert.ok(Math.abs(values[i] - value) < 2e-3, `${values[i]}, PyTorch ${value}`);
  });
  const sum = values.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum / expected.sum - 1) < 1e-5, `${sum}, PyTorch ${expected.sum}`);
});

test('YOLOv5n gives what PyTorch gives', { skip: skipWithout('yolov5n.pt') || noPythonWith('torch') }, async () => {
  const script = 'engine/models/yolov5_torch.py';
  const expected = runPython<{ shape: number[]; values: number[] }>(script, checkpoint('yolov5n.pt'), String(SIDE));
  const model = await open('yolov5n.pt');
  const [output] = varyingOutputs(model.graph);
  assert.deepEqual([1, ...output.shape.slice(1)], expected.shape);
  assert.equal(findForm([output], 2, model.graph.name).form.name, 'YOLOv5');
  const worst = difference(await outputOf(model.graph, await model.weights()), expected.values);
  assert.ok(worst < 1e-4, `relative difference ${worst}`);
});

/** The dense weights with zeros in the norms of all channels that a plan takes away: each is 0 behind its activation. */
function masked(graph: Graph, dense: Weights, plan: KeptChannels): Weights {
  const result = new Map(dense);
  for (const [name, { kept }] of pruneGraph(graph, plan).keptIndices) {
    const tensor = dense.get(name) as Tensor;
    const isNorm = dense.has(name.replace(/\.\w+$/, '.running_var')) && /\.(weight|bias)$/.test(name);
    if (!isNorm || !kept[0]) continue;
    const left = new Set(kept[0]);
    const data = (tensor.data as Float32Array).map((value, i) => (left.has(i) ? value : 0));
    result.set(name, { ...tensor, data });
  }
  return result;
}

/** What PyTorch computes of a pickled detector: YOLOv5 by stand-ins for its classes, later ones by Ultralytics where it is installed. */
const SCRIPTS = {
  'yolo11n.pt': ['ultralytics_torch.py', 'ultralytics'],
  'yolov5n.pt': ['yolov5_torch.py', 'torch'],
} as const;

for (const name of ['yolo11n.pt', 'yolov5n.pt'] as const)
  test(`${name} pruned to 70 % gives what the dense network gives with those channels at zero`, {
    skip: skipWithout(name),
  }, async (t) => {
    const model = await open(name);
    const request = {
      score: { criterion: 'l1' as const },
      options: { ratio: 0.5, global: true, isomorphic: true, roundTo: 1, maxRatio: 0.9 },
      target: '70%',
    };
    const report = await pruneModel(model, request, async () => executor);
    assert.ok(report.graph && report.weights);
    const share = report.after.macs / report.before.macs;
    assert.ok(share <= 0.7 && share > 0.65, `${share}`);
    const found = await outputOf(report.graph, report.weights);
    const wanted = await outputOf(model.graph, masked(model.graph, await model.weights(), report.plan));
    assert.ok(difference(found, wanted) < 1e-5, `${difference(found, wanted)}`);
    const file = path.join(work, `${name}.onnx`);
    await saveModel(file, report.graph, report.weights, EMPTY_RECORD);
    const again = await openModel({ model: file });
    assert.equal(again.graph.input.fit, 'letterbox');
    assert.deepEqual(again.graph.input.mean, [0, 0, 0]);
    assert.ok(difference(await outputOf(again.graph, await again.weights()), found) < 1e-5);
    const back = path.join(work, name);
    const pruned = { ...model, graph: report.graph, weights: async () => report.weights as Weights };
    await exportModel(pruned, 'module', back);
    const opened = await openModel({ model: back, inputSize: SIDE });
    assert.deepEqual(difference(await outputOf(opened.graph, await opened.weights()), found), 0);
    const [script, needed] = SCRIPTS[name];
    await t.test('and PyTorch, of the module that is written', { skip: noPythonWith('torch', needed) }, () => {
      const torch = runPython<{ values: number[] }>(`engine/models/${script}`, back, String(SIDE));
      assert.ok(difference(found, torch.values) < 1e-4, `${difference(found, torch.values)}`);
    });
  });

test('another size of image is taken where it divides', { skip: skipWithout('yolo11n.pt') }, async () => {
  await assert.rejects(
    openModel({ model: checkpoint('yolo11n.pt'), inputSize: 100 }),
    /a multiple of 32 pixels, not 100/,
  );
  const { graph, notes } = await openModel({ model: checkpoint('yolo11n.pt') });
  assert.deepEqual(varyingOutputs(graph)[0].shape.slice(1), [84, 8400]);
  assert.ok(notes.some((note) => /640 × 640/.test(note)));
});
