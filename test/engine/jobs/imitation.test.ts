/** Scoring and finetuning by a dense network's outputs: no labels, several outputs, both backends. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { flagDefaults } from '../../../src/common/flags.ts';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import type { Executor } from '../../../src/engine/compute/executor.ts';
import { installedRuntime } from '../../../src/engine/compute/runtime/binding.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { finetuneModel } from '../../../src/engine/jobs/finetune.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { pruneModel } from '../../../src/engine/jobs/prune.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import { RunDirectory } from '../../../src/engine/training/run-directory.ts';
import { type TrainingOptions, trainingFlags } from '../../../src/engine/training/training-options.ts';
import { fillWeights } from '../../support/detfill.ts';
import { squareInput } from '../../support/input-config.ts';
import { TINY, tinyImages, workFolder } from '../training/tiny.ts';

const work = workFolder();
const place = (name: string): string => path.join(work, name);

/** A backbone with two heads, as a detector has: a map of channels, and a row of numbers; its outputs differ a thousandfold. */
function twoHeads(): Graph {
  const input = squareInput(TINY.size, { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] });
  const b = new GraphBuilder();
  let x = b.conv('stem', b.input(input), { out: 12, kernel: 3, stride: 2, padding: 1 });
  x = b.activation('', b.batchNorm('norm1', x), 'relu', { suffix: 'relu1' });
  x = b.conv('body', x, { out: 16, kernel: 3, padding: 1 });
  x = b.activation('', b.batchNorm('norm2', x), 'relu', { suffix: 'relu2' });
  const map = b.add('scale', '', [b.conv('boxes', x, { out: 5, kernel: 1, bias: true })], { by: 1000 });
  const row = b.linear('counts', b.mean('', x, [2, 3], false), 3);
  return b.finish({ name: 'two-heads', family: 'test', input, classes: 0 }, [
    { name: 'boxes', value: map },
    { name: 'counts', value: row },
  ]);
}

before(async () => {
  const folders = await tinyImages(work);
  await mkdir(place('flat'));
  for (const name of await readdir(path.join(folders, 'train')))
    for (const file of await readdir(path.join(folders, 'train', name)))
      await copyFile(path.join(folders, 'train', name, file), path.join(place('flat'), `${name}-${file}`));
  const graph = twoHeads();
  await saveModel(place('dense.safetensors'), graph, fillWeights(graph), EMPTY_RECORD);
});

const options = (changes: Partial<TrainingOptions>): TrainingOptions => ({
  ...flagDefaults(trainingFlags),
  epochs: 3,
  batchSize: 24,
  opt: 'adamw',
  lr: 0.01,
  workers: 1,
  imitate: true,
  teacherModel: place('dense.safetensors'),
  ...changes,
});

async function prune(executor: Executor, criterion: 'taylor' | 'hessian', name: string): Promise<string> {
  const model = await openModel({ model: place('dense.safetensors') });
  const data = { dataPath: place('flat'), batches: 2, batchSize: 24, seed: 0, workers: 1 };
  const request = {
    score: { criterion, data },
    options: { ratio: 0.5, global: true, isomorphic: true, roundTo: 1, maxRatio: 1 },
  };
  const report = await pruneModel(model, request, async () => executor);
  assert.ok(report.graph && report.weights);
  assert.ok(report.after.macs < report.before.macs);
  await saveModel(place(name), report.graph, report.weights, report.record);
  return place(name);
}

const backends = [
  ['embedded', false],
  ['tensorflow', !installedRuntime() && 'the TensorFlow runtime is not installed'],
] as const;

for (const [backend, skip] of backends)
  test(`a network of two outputs is scored, pruned and finetuned on a flat folder (${backend})`, { skip }, async () => {
    const executor = await createExecutor({ backend, threads: 1 });
    const pruned = await prune(executor, 'taylor', `${backend}.safetensors`);
    await prune(executor, 'hessian', `${backend}-hessian.safetensors`);
    const output = place(`run-${backend}`);
    const request = { model: { model: pruned }, dataPath: place('flat'), options: options({ outputDir: output }) };
    const report = await finetuneModel(request, { executor });
    assert.equal(report.bestTop1, undefined);
    assert.equal(report.validationImages, 16);
    const lines = await (await RunDirectory.open(output)).metrics();
    const epochs = lines.filter(({ kind }) => kind === 'epoch');
    assert.equal(epochs.length, 3);
    assert.ok(Number(report.bestDistance) < 0.8 * Number(epochs[0].distance), JSON.stringify(epochs));
    assert.equal(report.bestDistance, Math.min(...epochs.map(({ distance }) => Number(distance))));
    assert.equal((await openModel({ model: report.best })).graph.outputs.length, 2);
  });

test('what cannot be learnt is said before anything is written', async () => {
  const executor = await createExecutor({ backend: 'embedded', threads: 1 });
  const tried = (changes: Partial<TrainingOptions>): Promise<unknown> =>
    finetuneModel(
      {
        model: { model: place('dense.safetensors') },
        dataPath: place('flat'),
        options: options({ outputDir: place('never'), ...changes }),
      },
      { executor },
    );
  await assert.rejects(
    tried({ imitate: false }),
    /two-heads is not a classifier.*by imitation \(--imitate --teacher DENSE\)/s,
  );
  await assert.rejects(tried({ teacherModel: undefined }), /--imitate needs the network to imitate/);
  await assert.rejects(tried({ mixupAlpha: 0.2 }), /--imitate uses no labels/);
  const classifier = place('classifier.safetensors');
  const b = new GraphBuilder();
  const { input } = twoHeads();
  const logits = b.linear('fc', b.mean('', b.conv('stem', b.input(input), { out: 4, kernel: 3 }), [2, 3], false), 10);
  const graph = b.finish({ name: 'other', family: 'test', input, classes: 10 }, logits);
  await saveModel(classifier, graph, fillWeights(graph), EMPTY_RECORD);
  await assert.rejects(tried({ teacherModel: classifier }), /the dense network other gives logits .*the other boxes/s);
});
