/** The repair of a published network against the same computation in PyTorch, in double precision. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { readSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors.ts';
import { writeSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { createExecutor } from '../../src/engine/compute/backends.ts';
import { float32Tensor, type Weights } from '../../src/engine/graph/tensor.ts';
import { openModel } from '../../src/engine/jobs/opening/model.ts';
import { pruneModel } from '../../src/engine/jobs/prune.ts';
import { calibrationBatches } from '../../src/engine/jobs/repair/calibration.ts';
import { repairModel } from '../../src/engine/jobs/repair/repair.ts';
import { pruneGraph } from '../../src/engine/pruning/rebuilding/prune-graph.ts';
import { noPythonWith, runPython } from '../support/python.ts';

const shared = path.resolve(import.meta.dirname, '../../../shared/data');
const checkpoint = path.join(shared, 'checkpoints/resnet20-12fca82f.th');
const cifar = path.join(shared, 'cifar10');
const skip = (!existsSync(checkpoint) && 'no published ResNet-20') || noPythonWith('torch', 'safetensors');

/** ‖a − b‖ / ‖b‖. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let whole = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (Number(a[i]) - Number(b[i])) ** 2;
    whole += Number(b[i]) ** 2;
  }
  return Math.sqrt(difference / whole);
}

test('every repaired tensor of ResNet-20 is that of PyTorch in double precision', { skip }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'espalier-repair-'));
  try {
    const model = await openModel({ model: checkpoint });
    const executor = await createExecutor();
    const score = { criterion: 'l1' as const };
    const pruned = await pruneModel(model, { score, options: { roundTo: 2 }, target: '50%' }, async () => executor);
    assert.ok(pruned.graph && pruned.weights);
    const { keptIndices: kept } = pruneGraph(model.graph, pruned.plan);
    const dense = await model.weights();
    const calibration = { dataPath: cifar, images: 400, seed: 0 };
    const inputs = {
      student: pruned.graph,
      weights: pruned.weights,
      teacher: model.graph,
      teacherWeights: dense,
      kept,
    };
    const report = await repairModel(inputs, calibration, executor);
    assert.equal(report.chosen, 'repaired');

    const place = (name: string): string => path.join(folder, name);
    await writeSafetensors(place('dense.safetensors'), dense);
    await writeSafetensors(place('pruned.safetensors'), pruned.weights);
    const indices = [...kept].map(([name, { kept: of }]) => [name, of.map((list) => (list ? [...list] : null))]);
    await writeFile(place('kept.json'), JSON.stringify(Object.fromEntries(indices)));
    const batches = await calibrationBatches(pruned.graph, calibration);
    const images = (held: boolean) => {
      const chosen = batches.filter((batch) => batch.held === held);
      const data = Float32Array.from(chosen.flatMap((batch) => [...batch.images]));
      return float32Tensor([data.length / (32 * 32 * 3), 32, 32, 3], data);
    };
    const tensors: Weights = new Map([
      ['fitted', images(false)],
      ['held', images(true)],
    ]);
    await writeSafetensors(place('images.safetensors'), tensors);
    const names = runPython<string[]>('full/repair_torch.py', folder);
    assert.equal(names.length, 2 * 18 + 2);
    const { weights: expected } = await readSafetensors(place('expected.safetensors'));
    for (const name of names) {
      const found = report.weights.get(name)?.data as Float32Array;
      const wanted = expected.get(name)?.data as Float64Array;
      const off = distance(found, wanted);
      assert.ok(off < 1e-3, `${name} is off by ${off.toExponential(2)}`);
      assert.ok(distance(pruned.weights.get(name)?.data as Float32Array, wanted) > 1e-2, `${name} was repaired`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
