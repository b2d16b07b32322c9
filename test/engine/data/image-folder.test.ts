import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { labelForModel, readSynsets } from '../../../src/engine/data/class-map.ts';
import { noteOnOrder, openImageFolder, trainClasses } from '../../../src/engine/data/image-folder.ts';
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
  await rejectsWith(openImageFolder(root, 'val'), /has train\/ but no val\/ or valid\/ or validation\//);
  await rejectsWith(openImageFolder(path.join(root, 'train', 'a', '1.jpg'), 'val'), /is a file/);
  mkdirSync(path.join(root, 'train', 'empty'));
  await rejectsWith(openImageFolder(root, 'train'), /train\/empty has no images/);
});

test('labels follow the model’s outputs', async (t) => {
  const root = temporaryFolder(t);
  await writeDataset(root, ['n01443537', 'n02123045', 'n15075141'], 1);
  const folder = await openImageFolder(root, 'val');
  assert.deepEqual(labelForModel(folder, 3).samples, folder.samples);
  assert.equal(labelForModel(folder, 3).among, undefined);
  const labels = labelForModel(folder, 1000).samples.map(({ label }) => label);
  assert.deepEqual(
    labelForModel(folder, 1000).among,
    [...new Set(labels)].sort((a, b) => a - b),
  );
  assert.deepEqual(labels, [1, 281, 999]); // goldfish, tabby, toilet tissue
  assert.throws(() => labelForModel(folder, 10), /3 class folders but the model has 10 outputs/);
  assert.throws(() => labelForModel(folder, 2), UserError);
  const file = path.join(root, 'names.txt');
  writeFileSync(file, 'n15075141 toilet tissue\nn02123045\n\nn01443537\nother\n');
  assert.deepEqual(
    labelForModel(folder, 4, { synsets: readSynsets(file) }).samples.map(({ label }) => label),
    [2, 1, 0],
  );
  assert.throws(
    () => labelForModel(folder, 4, { synsets: ['a', 'b', 'c', 'd'] }),
    /not among the names of the synset file: n01443537/,
  );
  assert.throws(() => labelForModel(folder, 5, { synsets: readSynsets(file) }), /4 names but the model has 5 outputs/);
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

/** Folders with one file each that is named like an image. */
function writeFolders(root: string, folders: readonly string[]): void {
  for (const folder of folders) {
    mkdirSync(path.join(root, folder), { recursive: true });
    writeFileSync(path.join(root, folder, '0.png'), '');
  }
}

async function labelled(root: string, split: 'train' | 'val', outputs: number, classNames?: readonly string[]) {
  const [folder, train] = [await openImageFolder(root, split), await trainClasses(root)];
  return labelForModel(folder, outputs, { ...(train && { trainClasses: train }), ...(classNames && { classNames }) });
}

test('train/ numbers the classes of every split', async (t) => {
  const root = temporaryFolder(t);
  writeFolders(root, ['train/a', 'train/b', 'train/c', 'val/b', 'val/c']);
  const { samples, notes, outputNames } = await labelled(root, 'val', 3);
  assert.deepEqual(
    samples.map(({ label }) => label),
    [1, 2],
  );
  assert.ok(notes.some((note) => note.includes('matched by name')));
  assert.deepEqual(outputNames, ['a', 'b', 'c']);
  writeFolders(root, ['val/B2']);
  await rejectsWith(
    labelled(root, 'val', 3),
    /val has class folders that are not among the class folders of train\/: B2 \(a of them has no folder\)/,
  );
  await rejectsWith(labelled(root, 'val', 2), /train\/ beside .*val has 3 class folders but the model has 2 outputs/);
});

test('a model that knows its classes has them matched by name', async (t) => {
  const root = temporaryFolder(t);
  writeFolders(root, ['val/a', 'val/b']);
  const { samples } = await labelled(root, 'val', 3, ['c', 'b', 'a']);
  assert.deepEqual(
    samples.map(({ label }) => label),
    [2, 1],
  );
  await rejectsWith(
    labelled(root, 'val', 2, ['a', 'x']),
    /not among the classes that the model was trained with: b \(x of them has no folder\)/,
  );
});

test('splits by their other names, in any case; what is left alone is said', async (t) => {
  const root = temporaryFolder(t);
  writeFolders(root, ['Train/a', 'valid/a', 'test/a']);
  const valid = await openImageFolder(root, 'val');
  assert.equal(valid.root, path.join(root, 'valid'));
  assert.deepEqual(valid.notes, [`${root} has no val/: valid/ is used (test/ is left alone)`]);
  assert.equal((await openImageFolder(root, 'train')).root, path.join(root, 'Train'));
  writeFolders(root, ['validation/a']);
  assert.equal((await openImageFolder(root, 'val')).root, path.join(root, 'valid'));
});

test('classes are in order of code points; another natural order is said', async (t) => {
  const root = temporaryFolder(t);
  // U+FF21 comes before U+1D400, whose UTF-16 begins with D835.
  writeFolders(root, ['\u{1D400}', '\uFF21', 'Z', 'a']);
  assert.deepEqual((await openImageFolder(root, 'val')).classes, ['Z', 'a', '\uFF21', '\u{1D400}']);
  assert.equal(noteOnOrder(['a', 'b', 'c']), undefined);
  assert.match(noteOnOrder(['0', '1', '10', '2']) ?? '', /…, 10, 2, … from 2\).*…, 2, 10, ….*--synsets/);
  const numeric = temporaryFolder(t);
  writeFolders(numeric, ['val/1', 'val/10', 'val/9']);
  assert.ok((await labelled(numeric, 'val', 3)).notes.some((note) => note.includes('numbered by code point')));
  assert.ok(!(await labelled(numeric, 'val', 3, ['1', '9', '10'])).notes.some((note) => note.includes('code point')));
});

test('links that lead back are not followed, others are', async (t) => {
  const root = temporaryFolder(t);
  writeFolders(root, ['val/a', 'val/b', 'elsewhere/deep']);
  for (const [target, link] of [
    ['..', 'val/a/up'],
    ['.', 'val/a/self'],
    ['.', 'val/loop'],
    ['..', 'val/parent'],
    ['../../elsewhere', 'val/b/other'],
    ['../val', 'elsewhere/back'],
  ])
    symlinkSync(target, path.join(root, link));
  const { classes, samples, notes } = await openImageFolder(root, 'val');
  assert.deepEqual(classes, ['a', 'b']);
  const files = samples.map(({ file }) => path.relative(path.join(root, 'val'), file));
  assert.deepEqual(files, ['a/0.png', 'b/0.png', 'b/other/deep/0.png']);
  assert.equal(notes.filter((note) => note.includes('leads back')).length, 3);
});

test('files are listed as torchvision lists them', async (t) => {
  const root = temporaryFolder(t);
  writeFolders(root, ['val/a', 'val/a/b/c', 'val/a/b-c', 'val/a/b']);
  const { samples } = await openImageFolder(root, 'val');
  // os.walk's folders sorted by their path: '-' comes before '/'.
  assert.deepEqual(
    samples.map(({ file }) => path.relative(root, path.dirname(file))),
    ['val/a', 'val/a/b', 'val/a/b-c', 'val/a/b/c'],
  );
});
