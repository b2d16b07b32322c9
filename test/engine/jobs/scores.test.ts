/** Scores of a model on disk: used again for the same question, and for no other. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import type { Executor } from '../../../src/engine/compute/executor.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { Tensor } from '../../../src/engine/graph/tensor.ts';
import { gradientFilesOf, gradientsFromData } from '../../../src/engine/jobs/collect-gradients.ts';
import { type ScoreRequest, scoreModel } from '../../../src/engine/jobs/scores.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { initialiseWeights } from '../../../src/engine/training/initialise.ts';
import { TINY, tinyImages, workFolder } from '../training/tiny.ts';

const work = workFolder();
const graph = buildModel('resnet20', { inputSize: TINY.size }) as Graph;
const groups = couple(graph);
const weights = initialiseWeights(graph, 0);

const trainingImages = (dataPath: string): string[] =>
  readdirSync(path.join(dataPath, 'train'), { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(dataPath, 'train', name))
    .filter((file) => statSync(file).isFile());

let request: ScoreRequest;
before(async () => {
  request = {
    criterion: 'taylor',
    cache: path.join(work, 'scores'),
    data: { dataPath: await tinyImages(work), batchSize: 16, batches: 2, seed: 0, workers: 0 },
  };
});

async function score(changes: Partial<ScoreRequest> = {}, of = weights) {
  let started = 0;
  const executor = (): Promise<Executor> => {
    started++;
    return createExecutor();
  };
  const report = await scoreModel(groups, of, { ...request, ...changes }, executor);
  assert.equal(started, report.cached ? 0 : 1);
  return report;
}

test('the same question is answered from the cache, with the same scores and nothing computed', async () => {
  const first = await score();
  const second = await score();
  assert.deepEqual([first.cached, second.cached], [false, true]);
  assert.deepEqual(second.scores.channels, first.scores.channels);
  assert.ok(first.scores.channels.some((channels) => channels?.some((value) => value > 0)));
});

test('other weights, images and criteria are other questions', async () => {
  await score();
  const data = { ...(request.data as NonNullable<ScoreRequest['data']>), batches: 1 };
  assert.equal((await score({}, initialiseWeights(graph, 1))).cached, false);
  assert.equal((await score({ data })).cached, false);
  assert.equal((await score({ criterion: 'hessian' })).cached, false);
  assert.equal((await score()).cached, true);
});

test('an image that was replaced is another question, whatever its name, size and time', async () => {
  await score();
  const { dataPath } = request.data as NonNullable<ScoreRequest['data']>;
  const scored = await gradientFilesOf(graph, request.data as NonNullable<ScoreRequest['data']>);
  assert.equal(scored.length, 32);
  const [image] = scored;
  const { atime, mtime } = statSync(image);
  const bytes = readFileSync(image);
  const changed = Buffer.from(bytes);
  changed[changed.length - 10] ^= 1;
  writeFileSync(image, changed);
  utimesSync(image, atime, mtime);
  assert.equal((await score()).cached, false);
  writeFileSync(image, bytes);
  assert.equal((await score()).cached, true);
  // Images that no batch holds do not matter, as long as the order is the same.
  const unseen = trainingImages(dataPath).find((file) => !scored.includes(file)) ?? assert.fail();
  writeFileSync(unseen, 'no image');
  assert.equal((await score()).cached, true);
});

test('a cache that cannot be written loses nothing, and is said', async () => {
  const file = path.join(work, 'in-the-way');
  writeFileSync(file, '');
  const notes: string[] = [];
  const changes = { ...request, cache: path.join(file, 'scores') };
  const report = await scoreModel(groups, weights, changes, () => createExecutor(), {
    note: (text) => notes.push(text),
  });
  assert.deepEqual(report.scores.channels, (await score()).scores.channels);
  assert.equal(notes.length, 1);
  assert.match(notes[0], /^The scores could not be kept for the next time\. Cannot make the folder .*in-the-way/);
});

test('gradients of a file score as those that it was made of, and for no other criterion', async () => {
  const { dataPath } = request.data as NonNullable<ScoreRequest['data']>;
  const data = { dataPath, batchSize: 16, batches: 2, seed: 0, workers: 0 };
  const executor = await createExecutor();
  const found = await gradientsFromData(graph, weights, 'sum', data, executor, {}, true);
  const tensors = graph.parameters.flatMap(({ name, shape }): [string, Tensor][] => {
    const numbers = found.kind === 'combined' ? found.of(name) : undefined;
    return numbers ? [[name, { dtype: 'float32', shape, data: Float32Array.from(numbers) }]] : [];
  });
  const file = path.join(work, 'gradients.safetensors');
  await writeSafetensors(file, new Map(tensors), { criterion: 'taylor' });
  const never = (): Promise<Executor> => assert.fail('computed');
  const asked = { criterion: 'taylor', gradientFiles: [file] } as const;
  const [ours, theirs] = [await score(), await scoreModel(groups, weights, asked, never)];
  for (const [id, channels] of ours.scores.channels.entries())
    channels?.forEach((value, i) => {
      const other = theirs.scores.channels[id]?.[i] ?? Number.NaN;
      assert.ok(Math.abs(other - value) <= 1e-5 * Math.abs(value) + 1e-9, `group ${id}: ${other}, ${value}`);
    });
  await assert.rejects(
    scoreModel(groups, weights, { criterion: 'hessian', gradientFiles: [file] }, never),
    /gradients\.safetensors holds gradients for taylor, not for hessian/,
  );
});
