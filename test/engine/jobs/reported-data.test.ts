/** Problem reports about images and classes, rebuilt: the figures are PyTorch's, by each case's make.py. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { parseFlags } from '../../../src/common/flags.ts';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import { evaluateModel } from '../../../src/engine/jobs/evaluate.ts';
import { finetuneModel } from '../../../src/engine/jobs/finetune.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { pruneModel } from '../../../src/engine/jobs/prune.ts';
import { trainingFlags } from '../../../src/engine/training/training-options.ts';
import { temporaryFolder } from '../data/images.ts';
import { sharedPath, skipWithoutShared } from '../data/shared.ts';

const caseOf = (name: string, ...parts: string[]): string => path.join(sharedPath, 'cases/reports', name, ...parts);
const RESNET20 = path.join(sharedPath, 'data/checkpoints/resnet20-12fca82f.th');
const skip = { skip: skipWithoutShared };

const executor = createExecutor({ backend: 'embedded' });

async function evaluated(model: string, dataPath: string, options: { valResize?: number } = {}) {
  const opened = await openModel({ model });
  const weights = await opened.weights();
  return evaluateModel({ ...opened, weights }, { dataPath, ...options }, { executor: await executor });
}

const refusal = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UserError, String(error));
  assert.match(error.message, pattern);
  return true;
};

async function assertFigures(
  report: { correct: number; images: number; loss: number },
  right: number,
  images: number,
  loss: number,
) {
  assert.deepEqual([report.correct, report.images], [right, images]);
  assert.ok(Math.abs(report.loss - loss) < 2e-5, `${report.loss}, not ${loss}`);
}

test('onnx-small-input: neither enlarged nor cropped', skip, async (t) => {
  const { graph, record, weights } = await openModel({ model: RESNET20 });
  const file = path.join(temporaryFolder(t), 'resnet20.onnx');
  await saveModel(file, graph, await weights(), record);
  const opened = await openModel({ model: file });
  assert.deepEqual([opened.graph.input.height, opened.graph.input.resize], [32, 32]);
  await assertFigures(await evaluated(file, caseOf('onnx-small-input', 'data')), 41, 50, 0.67871);
});

test('onnx-layout: a file that normalises images itself gets them raw', skip, async () => {
  const file = caseOf('onnx-layout', 'prenorm.onnx');
  const { notes } = await openModel({ model: file });
  assert.ok(
    notes.some((note) => /normalises images itself.*from 0 to 1/.test(note)),
    notes.join('\n'),
  );
  const report = await evaluated(file, caseOf('onnx-layout', 'data'), { valResize: 32 });
  assert.ok(Math.abs(report.loss - 2.37782) < 2e-5, `${report.loss}`);
  // The person's word counts.
  const said = await openModel({ model: file, pixels: 'normalised' });
  assert.equal(said.graph.input.mean[0], 0.485);
  assert.deepEqual((await openModel({ model: file, pixels: '0..255' })).graph.input.mean, [0, 0, 0]);
});

test('onnx-layout: a rectangle is refused by all that reads images', skip, async () => {
  const file = caseOf('onnx-layout', 'rect.onnx');
  const dataPath = caseOf('onnx-layout', 'data');
  const pattern = /takes images of 32 × 48 pixels \(width × height\)/;
  await assert.rejects(evaluated(file, dataPath, { valResize: 32 }), refusal(pattern));
  const options = { ...parseFlags(trainingFlags, []).values, epochs: 1 };
  await assert.rejects(finetuneModel({ model: { model: file }, dataPath, options }), refusal(pattern));
  const score = { criterion: 'taylor' as const, data: { dataPath, batches: 1, seed: 0 } };
  const model = await openModel({ model: file });
  await assert.rejects(
    pruneModel(model, { score, options: {}, target: '50%' }, () => executor),
    refusal(pattern),
  );
});

test('split-names: folders that train/ does not have are refused by name', skip, async () => {
  const dataPath = caseOf('split-names', 'data');
  const train = readdirSync(path.join(dataPath, 'train'));
  const unknown = readdirSync(path.join(dataPath, 'val')).filter((name) => !train.includes(name));
  assert.ok(unknown.length > 0);
  await assert.rejects(
    evaluated(RESNET20, dataPath),
    refusal(new RegExp(`not among the class folders of train/: .*${unknown[0]}`)),
  );
  const options = { ...parseFlags(trainingFlags, []).values, epochs: 1 };
  await assert.rejects(
    finetuneModel({ model: { model: RESNET20 }, dataPath, options }),
    refusal(/class folders that are not among/),
  );
});

test('valid-folder: valid/ comes before test/', skip, async () => {
  const { images, notes } = await evaluated(RESNET20, caseOf('valid-folder', 'data'));
  assert.equal(images, 40);
  assert.ok(
    notes.some((note) => note.includes('valid/ is used (test/ is left alone)')),
    notes.join('\n'),
  );
});

test('numeric-names: the order taken is said', skip, async () => {
  const { notes } = await evaluated(RESNET20, caseOf('numeric-names', 'data'));
  assert.ok(
    notes.some((note) => /numbered by code point.*--synsets/.test(note)),
    notes.join('\n'),
  );
});

test('formats: what torchvision takes is read', skip, async () => {
  await assertFigures(await evaluated(RESNET20, caseOf('formats', 'data')), 34, 40, 0.58895);
});

test('symlink-loop: every folder once', skip, async (t) => {
  const root = temporaryFolder(t);
  const from = caseOf('formats', 'data', 'val');
  assert.ok(existsSync(from));
  mkdirSync(path.join(root, 'val'));
  for (const name of readdirSync(from))
    cpSync(path.join(from, name), path.join(root, 'val', name), { recursive: true });
  symlinkSync('..', path.join(root, 'val', readdirSync(from)[0], 'up'));
  const { images, notes } = await evaluated(RESNET20, root);
  assert.equal(images, 40);
  assert.ok(notes.some((note) => note.includes('leads back')));
});

test('nan-figures: outputs that are no numbers are an error', skip, async () => {
  const [file, dataPath] = [caseOf('nan-figures', 'huge.pth'), caseOf('nan-figures', 'data')];
  await assert.rejects(evaluated(file, dataPath), refusal(/The network gives (NaN|-?Infinity) for .*no accuracy/));
  const score = { criterion: 'taylor' as const, data: { dataPath: path.join(dataPath, 'val'), batches: 1, seed: 0 } };
  const model = await openModel({ model: file });
  await assert.rejects(
    pruneModel(model, { score, options: {}, target: '50%' }, () => executor),
    refusal(/gradient of .* is (NaN|-?Infinity)/),
  );
});
