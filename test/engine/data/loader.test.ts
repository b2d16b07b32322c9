import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { InlineMaker, ThreadPool } from '../../../src/engine/data/batch-makers.ts';
import { openImageFolder, type Sample } from '../../../src/engine/data/image-folder.ts';
import { type Batch, type EpochOptions, ImageLoader, type LoaderOptions } from '../../../src/engine/data/loader.ts';
import { evalTransform, trainTransform } from '../../../src/engine/data/transforms.ts';
import { pixels, temporaryFolder, writeDataset } from './images.ts';

async function dataset(t: TestContext, classes = 3, perClass = 7): Promise<readonly Sample[]> {
  const root = temporaryFolder(t);
  const names = Array.from({ length: classes }, (_, i) => `class${i}`);
  await writeDataset(root, names, perClass);
  return (await openImageFolder(root, 'val')).samples;
}

async function collect(options: LoaderOptions, epoch: EpochOptions = {}): Promise<Batch[]> {
  const loader = new ImageLoader(options);
  const batches: Batch[] = [];
  try {
    for await (const batch of loader.batches(epoch)) batches.push(batch);
  } finally {
    await loader.close();
  }
  return batches;
}

test('batches hold the images in order, with their labels', async (t) => {
  const samples = await dataset(t);
  const batches = await collect({ samples, transform: evalTransform(8), batchSize: 4, workers: 0 });
  assert.deepEqual(
    batches.map(({ index, count }) => [index, count]),
    [
      [0, 4],
      [1, 4],
      [2, 4],
      [3, 4],
      [4, 4],
      [5, 1],
    ],
  );
  assert.deepEqual(
    batches.flatMap((b) => [...b.labels]),
    samples.map(({ label }) => label),
  );
  assert.deepEqual(
    batches.flatMap((b) => b.files),
    samples.map(({ file }) => file),
  );
  const { mean, std } = evalTransform(8);
  // The third image of the second batch is number 6 of class 0.
  const bytes = Array.from(batches[1].images.subarray(2 * 192, 3 * 192), (v, i) =>
    Math.round((v * std[i % 3] + mean[i % 3]) * 255),
  );
  assert.deepEqual(bytes, [...pixels(8, 8, 6)]);
  assert.equal(batches[5].images.length, 192);
});

test('threads, cache and resuming change nothing', async (t) => {
  const samples = await dataset(t);
  const options: LoaderOptions = { samples, transform: trainTransform(8), batchSize: 4, shuffle: true, seed: 9 };
  const inline = await collect({ ...options, workers: 0, cacheBytes: 0 }, { epoch: 2 });
  for (const workers of [1, 3]) {
    assert.deepEqual(await collect({ ...options, workers }, { epoch: 2 }), inline, `${workers} workers`);
  }
  const rest = await collect({ ...options, workers: 1 }, { epoch: 2, startBatch: 3, maxBatches: 2 });
  assert.deepEqual(rest, inline.slice(3, 5));
  const other = await collect({ ...options, workers: 0 }, { epoch: 3 });
  assert.notDeepEqual(other[0].files, inline[0].files);
});

test('a second epoch comes from the cache, with other pixels of the same images', async (t) => {
  const samples = await dataset(t);
  for (const workers of [0, 2]) {
    const loader = new ImageLoader({ samples, transform: trainTransform(8), batchSize: 21, workers });
    const epochs: Batch[] = [];
    for await (const batch of loader.batches({ epoch: 0 })) epochs.push(batch);
    for (const { file } of samples) writeFileSync(file, 'gone');
    for await (const batch of loader.batches({ epoch: 1 })) epochs.push(batch);
    await loader.close();
    assert.equal(loader.skipped.size, 0);
    assert.deepEqual(epochs[0].files, epochs[1].files);
    assert.notDeepEqual(epochs[0].images, epochs[1].images);
    await writeDataset(path.dirname(path.dirname(samples[0].file)), ['class0', 'class1', 'class2'], 7);
  }
});

test('the last batch can be left out', async (t) => {
  const samples = await dataset(t);
  const options: LoaderOptions = { samples, transform: evalTransform(8), batchSize: 4, workers: 0, dropLast: true };
  assert.equal(new ImageLoader(options).batchesPerEpoch, 5);
  assert.equal((await collect(options)).length, 5);
});

test('unreadable images are named and skipped; above 1 % they are an error', async (t) => {
  const samples = await dataset(t, 2, 100);
  for (const bad of [13, 57]) writeFileSync(samples[bad].file, 'this is a text file');
  for (const workers of [0, 1]) {
    const named: string[] = [];
    const loader = new ImageLoader({
      samples,
      transform: evalTransform(8),
      batchSize: 50,
      workers,
      onUnreadable: ({ file }) => named.push(file),
    });
    const counts: number[] = [];
    for await (const batch of loader.batches()) {
      counts.push(batch.count);
      assert.equal(batch.images.length, batch.count * 192);
      assert.equal(batch.labels.length, batch.count);
    }
    for await (const batch of loader.batches()) counts.push(batch.count);
    await loader.close();
    assert.deepEqual(counts, [49, 49, 50, 50, 49, 49, 50, 50]);
    assert.deepEqual(named, [samples[13].file, samples[57].file]);
    assert.match(loader.skipped.get(samples[13].file) ?? '', /none of JPEG/);
  }
  const untouched = await collect({
    samples: samples.slice(14, 57),
    transform: evalTransform(8),
    batchSize: 43,
    workers: 0,
  });
  const whole = await collect({ samples, transform: evalTransform(8), batchSize: 200, workers: 0 });
  assert.deepEqual(whole[0].images.subarray(13 * 192, 56 * 192), untouched[0].images);
  writeFileSync(samples[99].file, '');
  await assert.rejects(collect({ samples, transform: evalTransform(8), batchSize: 50, workers: 1 }), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /3 of 200 images cannot be read/);
    assert.ok(error.message.includes(samples[99].file));
    return true;
  });
});

test('an aborted epoch ends at once and the loader serves the next', async (t) => {
  const samples = await dataset(t);
  for (const workers of [0, 2]) {
    const loader = new ImageLoader({ samples, transform: evalTransform(8), batchSize: 2, workers });
    const controller = new AbortController();
    let seen = 0;
    const run = async () => {
      for await (const _ of loader.batches({ signal: controller.signal })) {
        seen += 1;
        if (seen === 2) controller.abort(new Error('stopped'));
      }
    };
    await assert.rejects(run(), /stopped/);
    assert.equal(seen, 2);
    const again: number[] = [];
    for await (const batch of loader.batches()) again.push(batch.count);
    assert.equal(again.length, 11);
    for await (const batch of loader.batches({ epoch: 1 })) if (batch.index === 1) break;
    await loader.close();
    await assert.rejects(loader.batches().next(), /closed/);
  }
});

test('impossible settings are refused', () => {
  assert.throws(() => new ImageLoader({ samples: [], transform: evalTransform(8), batchSize: 4 }), UserError);
  const samples = [{ file: 'a.jpg', label: 0 }];
  assert.throws(() => new ImageLoader({ samples, transform: evalTransform(8), batchSize: 0 }), UserError);
});

test('a defect in a worker reaches the caller, and the worker goes on', async (t) => {
  const samples = await dataset(t, 2, 2);
  for (const workers of [0, 1]) {
    const pool = workers > 0 ? new ThreadPool(workers, undefined) : new InlineMaker(undefined);
    const task = {
      id: 1,
      files: [samples[0].file],
      slots: Int32Array.of(0),
      seeds: Uint32Array.of(1),
      transform: evalTransform(8),
    };
    const broken = { ...evalTransform(8), mean: undefined } as unknown as ReturnType<typeof evalTransform>;
    await assert.rejects(pool.make({ ...task, id: 2, transform: broken }), isAboutUndefined);
    assert.equal((await pool.make(task)).kept.length, 1);
    await pool.close();
  }
});

const isAboutUndefined = (error: unknown): boolean => error instanceof Error && /undefined/.test(error.message);
