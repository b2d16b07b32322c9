/** The finetuning job: broken off and resumed, paused, stopped, and what it refuses. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import { evaluateModel } from '../../../src/engine/jobs/evaluate.ts';
import {
  type FinetuneHooks,
  type FinetuneReport,
  finetuneModel,
  resumedRequest,
} from '../../../src/engine/jobs/finetune.ts';
import type { RunFile } from '../../../src/engine/jobs/finetune-request.ts';
import { testModel } from '../../../src/engine/jobs/finetune-test.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { backendRemark, recordedBackend, runExecutor } from '../../../src/engine/jobs/run-backend.ts';
import { BEST, LATEST, RunDirectory } from '../../../src/engine/training/run-directory.ts';
import { readRunState } from '../../../src/engine/training/run-state.ts';
import type { TrainingOptions } from '../../../src/engine/training/training-options.ts';
import { assertSameRun, executor, skipWithoutRuntime, tinyImages, tinyRequest, workFolder } from '../training/tiny.ts';

const skip = skipWithoutRuntime;
const work = workFolder();
let images = '';
before(async () => {
  images = await tinyImages(work);
});

/** Everything that has state or chance: moments, averages, mixing, augmentation, clipping, a schedule that moves every step. */
const LIVELY: Partial<TrainingOptions> = {
  opt: 'adamw',
  lr: 1e-3,
  lrScheduler: 'onecycle',
  modelEma: true,
  modelEmaSteps: 2,
  modelEmaDecay: 0.99,
  clipGradNorm: 1,
  mixupAlpha: 0.8,
  cutmixAlpha: 1,
  autoAugment: 'ra',
  randomErase: 0.25,
  labelSmoothing: 0.1,
  checkpointInterval: 0,
};

const place = (name: string): string => path.join(work, name);

const train = (name: string, changes: Partial<TrainingOptions> = {}, hooks: FinetuneHooks = {}, signal?: AbortSignal) =>
  finetuneModel(
    tinyRequest(images, { ...changes, outputDir: place(name) }),
    { executor: executor(), ...hooks },
    signal ? { signal } : {},
  );

const resume = async (name: string, hooks: FinetuneHooks = {}, signal?: AbortSignal): Promise<FinetuneReport> =>
  finetuneModel(await resumedRequest(place(name)), { executor: executor(), ...hooks }, signal ? { signal } : {});

/** Hooks that abort after so many steps of this process. */
function abortAfter(steps: number): { hooks: FinetuneHooks; signal: AbortSignal } {
  const controller = new AbortController();
  let seen = 0;
  const onMetrics: FinetuneHooks['onMetrics'] = ({ kind }) => {
    if (kind === 'step' && ++seen === steps) controller.abort(new UserError('stopped'));
  };
  return { hooks: { onMetrics }, signal: controller.signal };
}

const assertSame = (a: string, b: string): Promise<void> => assertSameRun(place(a), place(b));

const stateOf = async (name: string): Promise<{ state: string; error?: string }> =>
  JSON.parse(await readFile(path.join(place(name), 'run.json'), 'utf8')) as { state: string; error?: string };

test('a run stopped within its epochs goes on to the same weights, bit for bit', { skip }, async () => {
  await train('unbroken', LIVELY);
  const first = abortAfter(2);
  await assert.rejects(train('broken', LIVELY, first.hooks, first.signal), /stopped/);
  assert.equal((await stateOf('broken')).state, 'stopped');
  assert.equal((await readRunState(path.join(place('broken'), LATEST))).progress.step, 2);
  const second = abortAfter(5);
  await assert.rejects(resume('broken', second.hooks, second.signal), /stopped/);
  const { stopped, epochs } = await resume('broken');
  assert.deepEqual({ stopped, epochs }, { stopped: 'finished', epochs: 2 });
  assert.equal((await stateOf('broken')).state, 'done');
  await assertSame('unbroken', 'broken');
});

test('a finished run has nothing to do when it is resumed', { skip }, async () => {
  const before = await readFile(path.join(place('unbroken'), LATEST));
  const { epochs, bestTop1 } = await resume('unbroken');
  assert.equal(epochs, 2);
  assert.ok((bestTop1 ?? 0) > 0);
  assert.deepEqual(await readFile(path.join(place('unbroken'), LATEST)), before);
});

test('a paused run takes no step, can be stopped, and can go on in another folder', { skip }, async () => {
  let steps = 0;
  let release: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    release = resolve;
  });
  const controller = new AbortController();
  const hooks: FinetuneHooks = {
    onMetrics: ({ kind }) => {
      if (kind === 'step') steps++;
    },
    gate: async () => {
      if (steps < 3) return undefined;
      release();
      return new Promise(() => undefined);
    },
  };
  const running = train('paused', LIVELY, hooks, controller.signal);
  await opened;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(steps, 3);
  controller.abort(new UserError('stopped'));
  await assert.rejects(running, /stopped/);
  const request = await resumedRequest(path.join(place('paused'), LATEST));
  const options = { ...request.options, outputDir: place('elsewhere') };
  await finetuneModel({ ...request, options }, { executor: executor() });
  await assertSame('unbroken', 'elsewhere');
});

test('a run asked to stop ends with its epoch, whole', { skip }, async () => {
  const { stopped, epochs } = await train('one-epoch', LIVELY, { gate: async () => 'stop' });
  assert.deepEqual({ stopped, epochs }, { stopped: 'afterEpoch', epochs: 1 });
  assert.equal((await stateOf('one-epoch')).state, 'stopped');
  await resume('one-epoch');
  await assertSame('unbroken', 'one-epoch');
});

test('a run killed before its first checkpoint begins again', { skip }, async () => {
  const { hooks, signal } = abortAfter(3);
  await assert.rejects(train('early', LIVELY, hooks, signal), /stopped/);
  await rm(path.join(place('early'), LATEST));
  await resume('early');
  await assertSame('unbroken', 'early');
});

test('a folder that holds a run is left alone, unless it is to be overwritten', { skip }, async () => {
  const metrics = path.join(place('one-epoch'), 'metrics.jsonl');
  const before = await readFile(metrics);
  const message = /holds a run already \(latest\.safetensors\): continue it with --resume/;
  await assert.rejects(train('one-epoch', LIVELY), message);
  assert.deepEqual(await readFile(metrics), before);

  // `latest` is saved within an epoch as often as asked.
  const saved: number[] = [];
  const latest = path.join(place('one-epoch'), LATEST);
  const gate = async (): Promise<undefined> => {
    if (existsSync(latest)) saved.push((await readRunState(latest)).progress.step);
    return undefined;
  };
  await train('one-epoch', { epochs: 1, overwrite: true, saveInterval: 0 }, { gate });
  assert.deepEqual(saved, [1, 2, 3, 4]);
  const lines = await (await RunDirectory.open(place('one-epoch'))).metrics();
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    ['step', 'step', 'step', 'step', 'step', 'epoch'],
  );
});

test('a loss that is no number ends the run, and keeps what was saved', { skip }, async () => {
  await assert.rejects(
    train('diverging', { lr: 1e30, epochs: 1, saveInterval: 0 }),
    (error) => error instanceof UserError && /the loss became (NaN|Infinity).*lower --lr/.test(error.message),
  );
  const { state, error } = await stateOf('diverging');
  assert.equal(state, 'failed');
  assert.match(error ?? '', /the loss became/);
  const { progress } = await readRunState(path.join(place('diverging'), LATEST));
  assert.ok(progress.step >= 1, `saved at step ${progress.step}`);
});

test('nothing is written where the data do not fit', { skip }, async () => {
  const three = path.join(work, 'three-classes');
  for (const split of ['train', 'val'])
    for (const name of ['a', 'b', 'c']) await mkdir(path.join(three, split, name), { recursive: true });
  await assert.rejects(
    finetuneModel({ ...tinyRequest(images, { outputDir: place('never') }), dataPath: three }, { executor: executor() }),
    /The class folder .* has no images/,
  );
  assert.ok(!existsSync(place('never')));
});

test('settings that make no sense are refused', { skip }, async () => {
  for (const [changes, message] of [
    [{ epochs: 0 }, /--epochs must be at least 1, not 0/],
    [{ startEpoch: 2 }, /--start-epoch 2 leaves nothing of 2 epochs/],
    [{ batchSize: 0 }, /--batch-size must be at least 1, not 0/],
    [{ teacherCache: 'x', teacherModel: 'resnet32' }, /needs --no-augment/],
  ] as const)
    await assert.rejects(
      train('refused', changes),
      (error) => error instanceof UserError && message.test(error.message),
    );
  assert.ok(!existsSync(place('refused')));
});

test('--start-epoch enters the schedule there, --checkpoint-interval keeps models, --max-steps shortens epochs', {
  skip,
}, async () => {
  const schedule = { lrScheduler: 'steplr', lrStepSize: 1, lrGamma: 0.5, lr: 0.01 } as const;
  await train('late', { ...schedule, epochs: 3, startEpoch: 1, checkpointInterval: 2, maxSteps: 2 });
  const files = (await readdir(place('late'))).sort();
  assert.deepEqual(files, [BEST, LATEST, 'metrics.jsonl', 'model_1.safetensors', 'run.json']);
  const lines = await (await RunDirectory.open(place('late'))).metrics();
  const steps = lines.filter(({ kind }) => kind === 'step');
  assert.deepEqual(
    steps.map(({ epoch, step, learningRate }) => [epoch, step, learningRate]),
    [
      [1, 2, 0.005],
      [1, 3, 0.005],
      [2, 4, 0.0025],
      [2, 5, 0.0025],
    ],
  );
});

test('single images are trained on, where norms see more than one value, and in another size than in evaluation', {
  skip,
}, async () => {
  await train('ones', { epochs: 1, batchSize: 1, maxSteps: 2, trainCropSize: 12 });
  const lines = await (await RunDirectory.open(place('ones'))).metrics();
  assert.deepEqual(
    lines.map(({ kind, loss, images: count }) => [kind, Number(loss) > 0, count]),
    [
      ['step', true, undefined],
      ['step', true, undefined],
      ['epoch', true, 40],
    ],
  );
  await assert.rejects(
    train('refused', { batchSize: 1, trainCropSize: 4, valCropSize: 4 }),
    /--batch-size 1 is too small: with images of \[N, 3, 4, 4\] a batch norm of resnet20 sees one value a channel/,
  );
});

test('--test-only evaluates, with the average where it is asked for, and writes nothing', { skip }, async () => {
  const before = await readdir(place('unbroken'));
  const request = await resumedRequest(place('unbroken'));
  const epochs = (await (await RunDirectory.open(place('unbroken'))).metrics()).filter(({ kind }) => kind === 'epoch');
  const last = epochs.at(-1);
  const options = { ...request.options, testOnly: true };
  const averaged = await testModel({ ...request, options }, executor());
  assert.equal(averaged.top1, last?.averageTop1);
  const plain = await testModel({ ...request, options: { ...options, modelEma: false } }, executor());
  assert.equal(plain.top1, last?.top1);
  assert.equal(plain.loss, last?.validationLoss);
  // The same by the file: `--use-ema` of the other commands.
  const model = await openModel({ model: path.join(place('unbroken'), LATEST), useEma: true });
  const opened = { ...model, weights: await model.weights() };
  const evaluated = await evaluateModel(opened, { dataPath: images, batchSize: 32 }, { executor: executor() });
  assert.deepEqual([evaluated.top1, evaluated.loss], [averaged.top1, averaged.loss]);
  assert.deepEqual(await readdir(place('unbroken')), before);
});

test('two runs into one folder: the second is refused, the first goes on', { skip }, async () => {
  let opened: () => void = () => undefined;
  const started = new Promise<void>((resolve) => {
    opened = resolve;
  });
  let goOn: () => void = () => undefined;
  const held = new Promise<undefined>((resolve) => {
    goOn = () => resolve(undefined);
  });
  const gate = (): Promise<undefined> => {
    opened();
    return held;
  };
  const first = train('shared', LIVELY, { gate });
  await started;
  const message = /A run is being written into .*shared by process \d+/;
  await assert.rejects(train('shared', { ...LIVELY, overwrite: true }), message);
  await assert.rejects(resume('shared'), message);
  goOn();
  await first;
  await assertSame('unbroken', 'shared');
});

test('a run goes on with what it was begun with; another has to be asked for by name, and is said', {
  skip,
}, async () => {
  const built = await createExecutor({ backend: 'embedded' });
  const { hooks, signal } = abortAfter(2);
  await assert.rejects(
    train('built-in', {}, { ...hooks, executor: built, compute: { threads: 1 } }, signal),
    /stopped/,
  );
  const recorded = await recordedBackend(place('built-in'));
  assert.deepEqual(recorded, { backend: 'embedded', label: built.label, threads: 1 });
  for (const backend of [undefined, 'auto', 'embedded'] as const) {
    const executor = await runExecutor({ backend }, recorded);
    assert.equal(executor.label, built.label);
    assert.equal(backendRemark(executor, recorded), undefined);
  }
  const other = await runExecutor({ backend: 'tensorflow' }, recorded);
  assert.equal(other.backend, 'tensorflow');
  assert.match(backendRemark(other, recorded) ?? '', /was begun with ONNX Runtime .* and goes on with TensorFlow/);
  // Another version or device of the same backend.
  const elsewhere = { ...recorded, label: `${built.label}, another version` };
  await assert.rejects(runExecutor({ backend: 'auto' }, elsewhere), /whose numbers differ\. .* --backend embedded/);
  assert.equal((await runExecutor({ backend: 'embedded' }, elsewhere)).label, built.label);
  // Without an executor of the caller's, the job finds the run's own.
  const request = await resumedRequest(place('built-in'));
  assert.equal((await finetuneModel(request)).backend, built.label);
});

test('run.json that is damaged, and no run at all', { skip }, async () => {
  await mkdir(place('damaged'));
  await writeFile(path.join(place('damaged'), 'run.json'), '{"version":');
  await assert.rejects(resume('damaged'), /run\.json cannot be read/);
  const whole = JSON.parse(await readFile(path.join(place('unbroken'), 'run.json'), 'utf8')) as RunFile;
  const { request } = whole;
  const damaged: readonly unknown[] = [
    null,
    [],
    7,
    {},
    { ...whole, request: 5 },
    { ...whole, version: 2 },
    { ...whole, backend: undefined },
    { ...whole, compute: { backend: 'abacus' } },
    { ...whole, request: { ...request, model: null } },
    { ...whole, request: { ...request, options: { ...request.options, lr: 'fast' } } },
    { ...whole, request: { ...request, options: { ...request.options, epochs: 1.5 } } },
    { ...whole, request: { ...request, options: { ...request.options, opt: 'lion' } } },
  ];
  for (const value of damaged) {
    await writeFile(path.join(place('damaged'), 'run.json'), JSON.stringify(value));
    await assert.rejects(
      resume('damaged'),
      (error) => error instanceof UserError && /run\.json is damaged/.test(error.message),
      JSON.stringify(value),
    );
  }
  await assert.rejects(resume('nowhere'), /holds no run: it has no run\.json/);
  await assert.rejects(resumedRequest(path.join(place('unbroken'), BEST)), /only latest\.safetensors has the state/);
});
