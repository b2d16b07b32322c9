import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../../../src/common/errors.ts';
import { openImageFolder } from '../../../../src/engine/data/image-folder.ts';
import { generateProceduralDataset, type ProceduralOptions } from '../../../../src/engine/data/procedural/dataset.ts';
import { drawImage } from '../../../../src/engine/data/procedural/draw.ts';
import { SHAPE_NAMES, SHAPES } from '../../../../src/engine/data/procedural/outlines.ts';
import { Random } from '../../../../src/engine/data/random.ts';
import { temporaryFolder } from '../images.ts';

const small: ProceduralOptions = { seed: 3, trainPerClass: 4, testPerClass: 2 };

test('the same seed draws the same files, another seed others; train and test differ', async (t) => {
  const root = temporaryFolder(t);
  const folders = ['a', 'b', 'c'].map((name) => path.join(root, name));
  const written = await generateProceduralDataset(folders[0], small);
  assert.deepEqual([written.train, written.test, written.written], [40, 20, true]);
  await generateProceduralDataset(folders[1], small);
  await generateProceduralDataset(folders[2], { ...small, seed: 4 });
  const train = await openImageFolder(folders[0], 'train');
  assert.deepEqual(train.classes, SHAPE_NAMES);
  assert.deepEqual(train.counts, new Array(10).fill(4));
  const files = [...train.samples, ...(await openImageFolder(folders[0], 'test')).samples].map(({ file }) => file);
  const bytes = (folder: string, file: string) => readFileSync(path.join(folder, path.relative(folders[0], file)));
  for (const file of files) {
    assert.deepEqual(bytes(folders[1], file), bytes(folders[0], file));
    assert.notDeepEqual(bytes(folders[2], file), bytes(folders[0], file));
  }
  assert.equal(new Set(files.map((file) => readFileSync(file).toString('latin1'))).size, 60);
});

test('a finished data set is left alone; anything else in the folder is not overwritten', async (t) => {
  const root = path.join(temporaryFolder(t), 'data');
  await generateProceduralDataset(root, small);
  assert.equal((await generateProceduralDataset(root, small)).written, false);
  await assert.rejects(generateProceduralDataset(root, { ...small, seed: 5 }), UserError);
  // An interrupted drawing is completed.
  rmSync(path.join(root, 'procedural.json'));
  rmSync(path.join(root, 'train', 'disc'), { recursive: true });
  assert.equal((await generateProceduralDataset(root, small)).written, true);
  assert.equal((await openImageFolder(root, 'train')).samples.length, 40);
  rmSync(path.join(root, 'procedural.json'));
  writeFileSync(path.join(root, 'thesis.txt'), 'mine');
  await assert.rejects(generateProceduralDataset(root, small), /thesis\.txt/);
  await assert.rejects(generateProceduralDataset(path.join(root, 'x'), { classes: 1 }), UserError);
});

test('progress is reported and an abort stops the drawing', async (t) => {
  const root = temporaryFolder(t);
  const controller = new AbortController();
  const seen: number[] = [];
  const progress = ({ done }: { done: number }) => {
    seen.push(done);
    if (seen.length === 2) controller.abort(new Error('stopped'));
  };
  await assert.rejects(
    generateProceduralDataset(path.join(root, 'd'), small, { signal: controller.signal, progress }),
    /stopped/,
  );
  assert.deepEqual(seen, [16, 32]);
});

test('shapes fill a good part of the unit circle, each in its own way', () => {
  const areas = new Map<string, number>();
  for (const name of SHAPE_NAMES) {
    let inside = 0;
    for (let y = -1.2; y < 1.2; y += 0.02)
      for (let x = -1.2; x < 1.2; x += 0.02) inside += SHAPES[name](x, y) < 0 ? 1 : 0;
    areas.set(name, inside * 0.0004);
  }
  const expect = (name: string, area: number) =>
    assert.ok(Math.abs((areas.get(name) as number) - area) < 0.05, `${name} ${areas.get(name)}`);
  expect('disc', Math.PI * 0.81);
  expect('square', 2.56);
  expect('ring', Math.PI * (0.97 ** 2 - 0.53 ** 2));
  expect('dots', 7 * Math.PI * 0.27 ** 2);
  expect('cross', 2 * 1.9 * 0.6 - 0.36);
  expect('star', 10 * 0.5 * 0.4 * Math.sin(Math.PI / 5));
  expect('triangle', 3 * Math.sqrt(3) * 0.55 ** 2);
  expect('checker', 1.62);
  assert.ok((areas.get('stripes') as number) > 1.4 && (areas.get('stripes') as number) < 1.75);
});

test('mean colours do not give the class away', () => {
  // The nearest class mean of the pixels, learned on 40 images a class, is near chance on 20 others.
  const average = (name: (typeof SHAPE_NAMES)[number], from: number, to: number): Float64Array => {
    const sum = new Float64Array(32 * 32 * 3);
    for (let i = from; i < to; i++) {
      for (const [p, v] of drawImage(name, 32, new Random(i * 31 + name.length)).data.entries())
        sum[p] += v / (to - from);
    }
    return sum;
  };
  const means = SHAPE_NAMES.map((name) => average(name, 0, 40));
  let right = 0;
  for (const [label, name] of SHAPE_NAMES.entries()) {
    for (let i = 40; i < 60; i++) {
      const { data } = drawImage(name, 32, new Random(i * 31 + name.length));
      const distances = means.map((mean) => mean.reduce((sum, m, p) => sum + (m - data[p]) ** 2, 0));
      right += distances.indexOf(Math.min(...distances)) === label ? 1 : 0;
    }
  }
  assert.ok(right / 200 < 0.3, `${right} of 200`);
});
