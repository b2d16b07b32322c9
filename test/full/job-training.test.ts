/** Jobs of two processes against a run made here with the same images a step; one of them is killed in between. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { readSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { gradientsFromData, gradientsFromFiles } from '../../src/engine/jobs/collect-gradients.ts';
import { finetuneModel } from '../../src/engine/jobs/finetune.ts';
import { openModel, saveModel } from '../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../src/engine/jobs/record.ts';
import { writeJob } from '../../src/engine/jobs/torchrun/job-folder.ts';
import { writeScoreJob } from '../../src/engine/jobs/torchrun/job-score.ts';
import { jobStatus } from '../../src/engine/jobs/torchrun/job-status.ts';
import { RunDirectory } from '../../src/engine/training/run-directory.ts';
import { readRunState } from '../../src/engine/training/run-state.ts';
import { jobOf, metricLines, ranksIn, skipWithoutTorch, startScript, until } from '../engine/jobs/torchrun/job-runs.ts';
import {
  executor,
  skipWithoutRuntime,
  TINY,
  tinyImages,
  tinyRequest,
  workFolder,
  worstDifference,
} from '../engine/training/tiny.ts';
import { fillWeights } from '../support/detfill.ts';

describe('two processes', { skip: skipWithoutTorch || skipWithoutRuntime }, () => {
  const folder = workFolder();
  const place = (name: string): string => path.join(folder, name);
  const model = place('small.safetensors');
  const graph = buildModel('resnet20', { inputSize: TINY.size }) as Graph;
  let images: string;
  before(async () => {
    images = await tinyImages(folder);
    await saveModel(model, graph, fillWeights(graph), EMPTY_RECORD);
  });

  test('give the losses and weights of our own run', async () => {
    const changes = {
      epochs: 1,
      lr: 0.001,
      lrScheduler: 'constant',
      noAugment: true,
      workers: 0,
      saveInterval: 0,
    } as const;
    const request = { ...tinyRequest(images, { ...changes, modelEma: true, modelEmaSteps: 2 }), model: { model } };
    const ours = { ...request, options: { ...request.options, saveInterval: 10, outputDir: place('ours') } };
    const job = { ...request, options: { ...request.options, outputDir: place('job') } };
    await writeJob(jobOf(job, 2));
    const running = startScript(place('job'));
    await finetuneModel(ours, { executor: executor() });
    const { code, output } = await running.ended;
    assert.equal(code, 0, output);

    const [a, b] = await Promise.all(['job', 'ours'].map((name) => RunDirectory.at(place(name)).metrics()));
    assert.deepEqual(
      a.map(({ kind, epoch, step }) => [kind, epoch, step]),
      b.map(({ kind, epoch, step }) => [kind, epoch, step]),
    );
    for (const [i, line] of b.entries()) {
      assert.deepEqual(Object.keys(a[i]).sort(), Object.keys(line).sort());
      const share = Math.abs(Number(a[i]['loss']) / Number(line['loss']) - 1);
      assert.ok(share < 5e-3, `loss of step ${line.step}: ${a[i]['loss']}, ours ${line['loss']}`);
    }
    const [found, expected] = await Promise.all(
      ['job', 'ours'].map((name) => readRunState(path.join(place(name), 'latest.safetensors'))),
    );
    assert.deepEqual([...found.tensors.keys()].sort(), [...expected.tensors.keys()].sort());
    const [name, worst] = worstDifference(
      found.tensors,
      expected.tensors,
      graph.parameters.map((p) => p.name),
    );
    assert.ok(worst < 1e-3, `${name} differs by ${worst} of its scale`);
    const { epoch, step, averageUpdates } = found.progress;
    assert.deepEqual([epoch, step, averageUpdates], [1, 5, expected.progress.averageUpdates]);
  });

  test('what comes back is a run and a model of its lineage', async () => {
    const status = await jobStatus({ folder: place('job'), commands: {} });
    assert.deepEqual([status.state, status.epoch, status.epochs, status.step], ['done', 1, 1, 5]);
    const best = await openModel({ model: path.join(place('job'), 'best.safetensors') });
    assert.equal(best.record.history.at(-1)?.step, 'finetuned');
    assert.equal(best.record.history.at(-1)?.parent, model);
    assert.equal(best.record.classNames?.length, TINY.classes);
    const run = JSON.parse(readFileSync(path.join(place('job'), 'run.json'), 'utf8'));
    assert.deepEqual([run.state, run.request.options.batchSize], ['done', 32]);
  });

  test('of which one is killed are started again by torchrun, and go on after the last step that was saved', async () => {
    const changes = { epochs: 30, lrScheduler: 'constant', noAugment: true, workers: 0, saveInterval: 0 } as const;
    const request = tinyRequest(images, { ...changes, outputDir: place('killed') });
    await writeJob(jobOf({ ...request, model: { model } }, 2));
    const running = startScript(place('killed'));
    const started = await until(() => metricLines(place('killed')) >= 3);
    const ranks = ranksIn(place('killed'));
    if (started && ranks.length === 2) process.kill(ranks[1], 'SIGKILL');
    const { code, output } = await running.ended;
    assert.ok(started, output);
    assert.equal(ranks.length, 2, 'the job had ended before one of its processes could be killed');
    assert.equal(code, 0, output);
    assert.match(output, /goes on after [1-9]\d* steps/);
    const metrics = await RunDirectory.at(place('killed')).metrics();
    const steps = metrics.filter(({ kind }) => kind === 'step').map(({ step }) => step);
    assert.deepEqual(steps, [...new Set(steps)]);
    const { progress } = await readRunState(path.join(place('killed'), 'latest.safetensors'));
    assert.deepEqual([progress.epoch, progress.step], [30, 150]);
  });

  for (const criterion of ['taylor', 'hessian'] as const)
    test(`${criterion} gradients of two processes are ours`, async () => {
      const outputDir = place(criterion);
      const data = { dataPath: images, batches: 3, batchSize: 16, seed: 4, workers: 0 };
      const { job, launch } = jobOf(tinyRequest(images), 2);
      await writeScoreJob({ model: { model }, data, criterion, job, launch, outputDir });
      const { code, output } = await startScript(outputDir).ended;
      assert.equal(code, 0, output);
      const { weights } = await readSafetensors(path.join(outputDir, 'gradients.safetensors'));
      const use = criterion === 'taylor' ? 'sum' : 'meanSquare';
      const ours = await gradientsFromData(graph, fillWeights(graph), use, data, executor());
      const theirs = await gradientsFromFiles([path.join(outputDir, 'gradients.safetensors')], criterion);
      for (const name of ['conv1.weight', 'layer2.0.conv1.weight', 'layer3.2.bn2.weight', 'linear.weight']) {
        assert.ok(weights.has(name));
        const expected = ours.of(name) as ArrayLike<number>;
        const [sample] = theirs.of(name) as readonly ArrayLike<number>[];
        const found = Array.from(sample, (value) => (criterion === 'hessian' ? value * value : value));
        const scale = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        found.forEach((value, i) => {
          assert.ok(Math.abs(value - expected[i]) < 1e-3 * scale, `${name}[${i}]: ${value}, ours ${expected[i]}`);
        });
      }
    });
});
