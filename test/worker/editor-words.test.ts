import assert from 'node:assert/strict';
import test from 'node:test';
import { UsageError, UserError } from '../../src/common/errors.ts';
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
