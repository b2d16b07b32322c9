import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { UsageError, UserError } from '../../src/common/errors.ts';
import { flagName } from '../../src/common/flags.ts';
import { jobRunFlags } from '../../src/engine/jobs/torchrun/job-options.ts';
import { trainingFlags } from '../../src/engine/training/training-options.ts';
import { inEditorWords } from '../../src/worker/editor-words.ts';
import { errorShape } from '../../src/worker/wire-errors.ts';

test('what the engine advises is said in the words of the editor', () => {
  const { signal } = new AbortController();
  const shape = errorShape(
    new UserError('The data folder /d does not exist. Give --data-path the folder that holds train/ and val/.'),
    signal,
  );
  assert.equal(
    shape.message,
    'The data folder /d does not exist. Choose the folder that holds train/ and val/ with "Select Data Set…".',
  );
  assert.equal(
    errorShape(new UsageError('--batch-size must be at least 1'), signal).message,
    '"batch-size" must be at least 1',
  );
  assert.equal(errorShape(new Error('--x'), signal).message, '--x', 'a defect is told as it is');
});

test('flags become fields of the settings file; dashes elsewhere stay', () => {
  assert.equal(
    inEditorWords('try a lower --lr, a warm-up or --clip-grad-norm.'),
    'try a lower "lr", a warm-up or "clip-grad-norm".',
  );
  assert.equal(inEditorWords('a--b and -- and resnet50 -> x'), 'a--b and -- and resnet50 -> x');
  assert.equal(
    inEditorWords('Use the data the checkpoint was trained on, or name its classes in order with --synsets FILE.'),
    'Use the data the checkpoint was trained on.',
  );
  assert.equal(
    inEditorWords('`espalier runtime install` installs it.'),
    'the command "Install TensorFlow Runtime" installs it.',
  );
});

test('what the programs of a job say: no flag is left that the editor does not have', () => {
  const programs = ['check', 'images', 'train', 'score'].map((name) =>
    readFileSync(path.join(import.meta.dirname, '../../media/job', `${name}.py`), 'utf8'),
  );
  const texts = programs.flatMap((text) => [...text.matchAll(/"([^"\n]*--[a-z][^"\n]*)"/g)].map(([, said]) => said));
  assert.ok(texts.length >= 10, `${texts.length} texts`);
  const fields = new Set(Object.keys({ ...trainingFlags, ...jobRunFlags }).map(flagName));
  for (const said of texts) {
    const here = inEditorWords(said);
    for (const [, name] of here.matchAll(/"([a-z-]+-[a-z-]+)"/g)) assert.ok(fields.has(name), `${said} → ${here}`);
    assert.doesNotMatch(here, /--[a-z]|make the job/, said);
  }
});
