import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { labelForModel, readSynsets } from '../../../src/engine/data/class-map.ts';
import { openImageFolder } from '../../../src/engine/data/image-folder.ts';
import { IMAGENET_SYNSETS } from '../../../src/engine/data/imagenet-synsets.ts';
import { temporaryFolder, writeDataset } from './images.ts';
import { sharedPath, skipWithoutShared } from './shared.ts';

const touch = (...parts: string[]) => {
  const file = path.join(...parts);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, 'x');
};

const rejectsWith = (promise: Promise<unknown>, message: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.match(error.message, message);
    return true;
  });

test('classes and files come sorted, nested folders after, hidden and foreign files left out', async (t) => {
  const root = temporaryFolder(t);
  for (const name of ['b.JPG', 'a.png', 'Z.jpeg', 'c.txt', '.hidden.jpg', 'deep/d.webp'])
    touch(root, 'train', 'cat', name);
  touch(root, 'train', 'Ant', '1.jpg');
  touch(root, 'train', '.cache', '1.jpg');
  const folder = await openImageFolder(root, 'train');
  assert.deepEqual(folder.classes, ['Ant', 'cat']);
  assert.deepEqual(folder.counts, [1, 4]);
  const names = folder.samples.map(({ file, label }) => `${label} ${path.relative(folder.root, file)}`);
  assert.deepEqual(names, ['0 Ant/1.jpg', '1 cat/Z.jpeg', '1 cat/a.png', '1 cat/b.JPG', '1 cat/deep/d.webp']);
  assert.equal(folder.notes.length, 1);
  assert.match(folder.notes[0], /1 file\(s\) \.txt/);
});

test('val falls back to test, test to val, class folders alone serve every split', async (t) => {
  const root = temporaryFolder(t);
  touch(root, 'train', 'a', '1.jpg');
  touch(root, 'test', 'a', '1.jpg');
  const val = await openImageFolder(root, 'val');
  assert.equal(val.root, path.join(root, 'test'));
  assert.match(val.notes[0], /no val\/: test\/ is used/);
  assert.deepEqual((await openImageFolder(root, 'test')).notes, []);
  const direct = await openImageFolder(path.join(root, 'train'), 'val');
  assert.deepEqual(direct.classes, ['a']);
  assert.match(direct.notes[0], /classes of every split/);
});

test('what is missing is said', async (t) => {
  const root = temporaryFolder(t);
  await rejectsWith(openImageFolder(path.join(root, 'nowhere'), 'val'), /nowhere does not exist/);
  await rejectsWith(openImageFolder(root, 'val'), /no class folders/);
  touch(root, 'train', 'a', '1.jpg');
  await rejectsWith(openImageFolder(root, 'val'), /has train\/ but no val\/ or validation\/ or test\//);
  await rejectsWith(openImageFolder(path.join(root, 'train', 'a', '1.jpg'), 'val'), /is a file/);
  mkdirSync(path.join(root, 'train', 'empty'));
  await rejectsWith(openImageFolder(root, 'train'), /train\/empty has no images/);
});

test('labels follow the model’s outputs', async (t) => {
  const root = temporaryFolder(t);
  await writeDataset(root, ['n01443537', 'n02123045', 'n15075141'], 1);
  const folder = await openImageFolder(root, 'val');
  assert.equal(labelForModel(folder, 3), folder);
  const labels = labelForModel(folder, 1000).samples.map(({ label }) => label);
  assert.deepEqual(labels, [1, 281, 999]); // goldfish, tabby, toilet tissue
  assert.throws(() => labelForModel(folder, 10), /3 class folders but the model has 10 outputs/);
  assert.throws(() => labelForModel(folder, 2), UserError);
  const file = path.join(root, 'names.txt');
  writeFileSync(file, 'n15075141 toilet tissue\nn02123045\n\nn01443537\nother\n');
  assert.deepEqual(
    labelForModel(folder, 4, readSynsets(file)).samples.map(({ label }) => label),
    [2, 1, 0],
  );
  assert.throws(() => labelForModel(folder, 4, ['a', 'b', 'c', 'd']), /not among its class names/);
  assert.throws(() => labelForModel(folder, 5, readSynsets(file)), /4 names but the model has 5 outputs/);
  writeFileSync(file, 'a\na\n');
  assert.throws(() => readSynsets(file), /twice/);
  assert.throws(() => readSynsets(path.join(root, 'none.txt')), UserError);
});

test('the ImageNet sample is labelled by WordNet id', { skip: skipWithoutShared }, async () => {
  const folder = await openImageFolder(path.join(sharedPath, 'data/imagenet-sample'), 'val');
  assert.equal(folder.classes.length, 40);
  for (const { file, label } of labelForModel(folder, 1000).samples) {
    assert.equal(IMAGENET_SYNSETS[label], path.basename(path.dirname(file)));
  }
});
