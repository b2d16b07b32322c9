/** Accuracy over a loader's batches, and timing, with sessions that answer at once. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ProgressReport } from '../../../src/common/progress.ts';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import type { ProgramInputs, Session } from '../../../src/engine/compute/executor.ts';
import { openImageFolder } from '../../../src/engine/data/image-folder.ts';
import { ImageLoader } from '../../../src/engine/data/loader.ts';
import { evalTransform } from '../../../src/engine/data/transforms.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { evaluate } from '../../../src/engine/training/evaluation.ts';
import { measureLatency, measureThroughput } from '../../../src/engine/training/latency.ts';
import { TINY, tinyImages, workFolder } from './tiny.ts';

const work = workFolder();
const CLASSES = TINY.classes;
let samples: Awaited<ReturnType<typeof openImageFolder>>['samples'] = [];
before(async () => {
  samples = (await openImageFolder(await tinyImages(work), 'val')).samples;
});

const loader = (): ImageLoader =>
  new ImageLoader({ samples, transform: evalTransform(TINY.size), batchSize: 16, workers: 0 });

const unused = async (): Promise<never> => {
  throw new Error('not asked for');
};

/** A session whose logits for the i-th image that it sees are `answer(i)`. */
function answering(answer: (index: number) => readonly number[]): { session: Session<'predict'>; batches: number[] } {
  const batches: number[] = [];
  let seen = 0;
  const run = async (_: 'predict', { images }: ProgramInputs) => {
    const count = (images as Float32Array).length / (TINY.size * TINY.size * 3);
    batches.push(count);
    return { logits: Float32Array.from(Array.from({ length: count }, () => answer(seen++)).flat()) };
  };
  return { session: { run, assign: unused, read: unused, reset: unused, dispose: unused }, batches };
}

const oneHot = (label: number, height = 1): number[] =>
  Array.from({ length: CLASSES }, (_, c) => (c === label ? height : 0));

test('counts, predictions and files go together, a short last batch included', async () => {
  // Every fifth image is taken for the next class.
  const said = (i: number): number => (samples[i].label + (i % 5 === 0 ? 1 : 0)) % CLASSES;
  const { session, batches } = answering((i) => oneHot(said(i), 2));
  const reports: ProgressReport[] = [];
  const images = loader();
  const result = await evaluate(session, 'predict', images, { progress: (report) => reports.push(report) });
  await images.close();
  assert.deepEqual(batches, [16, 16, 8]);
  assert.deepEqual(
    result.files,
    samples.map(({ file }) => file),
  );
  assert.deepEqual(
    result.predictions,
    samples.map((_, i) => said(i)),
  );
  assert.deepEqual([result.images, result.correct, result.top1], [40, 32, 0.8]);
  const normaliser = Math.log(Math.exp(2) + CLASSES - 1);
  assert.ok(Math.abs(result.loss - (0.8 * (normaliser - 2) + 0.2 * normaliser)) < 1e-9);
  assert.ok(result.imagesPerSecond > 0);
  assert.deepEqual(
    reports.map(({ done, total }) => [done, total]),
    [
      [16, 40],
      [32, 40],
      [40, 40],
    ],
  );
});

test('an abort is heeded between two batches', async () => {
  const controller = new AbortController();
  const { session, batches } = answering(() => oneHot(0));
  const images = loader();
  const stopping = evaluate(session, 'predict', images, {
    signal: controller.signal,
    progress: ({ done }) => {
      if (done === 32) controller.abort(new Error('enough'));
    },
  });
  await assert.rejects(stopping, /enough/);
  assert.deepEqual(batches, [16, 16]);
  await images.close();
});

test('latency is the median of single images, throughput that of batches', async (t) => {
  const graph = buildModel('resnet20', { inputSize: TINY.size }) as Graph;
  const { session: inner, batches } = answering(() => oneHot(0));
  // By a clock that only runs move: they take 1, 2, … 10 ms in turn.
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const run: Session<'predict'>['run'] = async (program, images) => {
    now += 1 + (batches.length % 10);
    return inner.run(program, images);
  };
  const session = { ...inner, run };
  const latency = await measureLatency(session, 'predict', graph);
  assert.deepEqual(latency, { p50Milliseconds: 6, p90Milliseconds: 10, runs: 200 });
  assert.deepEqual([...new Set(batches)], [1]);
  const throughput = await measureThroughput(session, 'predict', graph, 8);
  assert.deepEqual(throughput, { batchSize: 8, imagesPerSecond: 8000 / 6 });
  assert.deepEqual([...new Set(batches)], [1, 8]);
});
