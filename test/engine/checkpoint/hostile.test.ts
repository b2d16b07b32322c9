/** The files of ../shared/cases/hostile: each opens or is refused with a message that says why, and none takes the machine. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Budget, BudgetError, LIMITS } from '../../../src/common/budget.ts';
import { UserError } from '../../../src/common/errors.ts';
import { visible, visibleJson, visibleLine } from '../../../src/common/visible.ts';
import { openCheckpoint } from '../../../src/engine/checkpoint/checkpoint.ts';
import { type Model, openModel } from '../../../src/engine/jobs/opening/model.ts';
import { sharedPath, skipWithoutShared } from '../data/shared.ts';
import { testFolder } from './files.ts';

const folder = path.join(sharedPath, 'cases', 'hostile');

/** What opening each file says; `opens` where it is a network. */
const EXPECTED: Readonly<Record<string, RegExp | 'opens'>> = {
  'chain8000.onnx': 'opens',
  'concat24.onnx': /would unfold to more than/,
  'concatbomb.onnx': /would unfold to more than/,
  'deepdtype3000.safetensors': /tensor 'a' has the element type \(object\)/,
  'deepdtype5000.safetensors': /tensor 'a' has the element type \(object\)/,
  'deepkey2000.bin': /fits no architecture/,
  'deepkey4000.bin': /fits no architecture/,
  'escape.pth': /fits no architecture/,
  'expand.pth': /would unfold to more than/,
  'extoverlap.onnx': /external data in 'e\.bin\.ext', which is missing/,
  'laugh-baggage.bin': /would unfold to more than/,
  'laugh-other.bin': /would unfold to more than/,
  'laughkey4.bin': /fits no architecture/,
  'legacy-deepkeys.th': /list of storages is damaged/,
  'legacy-laughkeys.th': /list of storages is damaged/,
  'manyexpand.onnx': /would unfold to more than/,
  'metanull.onnx': /history recorded in it cannot be used/,
  'metarecord.onnx': /history recorded in it cannot be used/,
  'modlaugh.bin': /would unfold to more than/,
  'moduleamp.bin': /would unfold to more than|modules inside modules/,
  'npneg.bin': /holds no tensors|fits no architecture/,
  'npnegf.bin': /holds no tensors|fits no architecture/,
  'onnx_injection.onnx': 'opens',
  'oom-dicts.pth': /would unfold to more than/,
  'oom-tuples.pth': /would unfold to more than/,
  'python_injection.safetensors': 'opens',
  'record0.safetensors': /history recorded in it cannot be used/,
  'record1.safetensors': /history recorded in it cannot be used/,
  'record5.safetensors': /history recorded in it cannot be used/,
};

const isImage = (name: string): boolean => /\.(jpg|tif)$/.test(name);

describe('hostile files', { skip: skipWithoutShared }, () => {
  const files = skipWithoutShared ? [] : readdirSync(folder).filter((name) => !isImage(name));
  test('all of them are known here', () => assert.deepEqual(files.sort(), Object.keys(EXPECTED).sort()));
  for (const [name, expected] of Object.entries(EXPECTED))
    test(name, async () => {
      const opened = await openModel({ model: path.join(folder, name) }).catch((error: unknown) => error);
      if (expected === 'opens') assert.ok((opened as Model).graph, String(opened));
      else {
        assert.ok(opened instanceof UserError, `${(opened as Error).stack ?? 'it opened'}`);
        assert.match(opened.message, expected);
        assert.ok(opened.message.length < 3000, `a message of ${opened.message.length} characters`);
      }
    });
});

test('text of a file is shown with its control characters visible', () => {
  assert.equal(visible('a\x1b]0;x\x07\n\u202eb\u009b1m'), 'a\\x1b]0;x\\x07\n\\u202eb\\x9b1m');
  assert.equal(visibleLine('a\nb\tc\rd'), 'a\\nb\\tc\\x0dd');
  assert.equal(visible('é × → 😀'), 'é × → 😀');
  assert.deepEqual(JSON.parse(visibleJson(JSON.stringify({ a: '\u009b\u202e\ud800' }))), { a: '\u009b\u202e\ud800' });
  assert.doesNotMatch(visibleJson(JSON.stringify({ a: '\u009b' })), /\u009b/);
});

test('a pipe is refused, not waited for', { skip: process.platform === 'win32' }, async () => {
  const pipe = path.join(testFolder().path, 'pipe.pth');
  execFileSync('mkfifo', [pipe]);
  await assert.rejects(openCheckpoint(pipe), /it is a pipe, a device or a socket/);
});

describe('a budget', () => {
  test('counts what is spent against the size of the file', () => {
    const budget = new Budget('x.pth', 1000);
    const { base, perByte } = LIMITS.values;
    budget.spend('values', base + perByte * 1000);
    assert.throws(
      () => budget.spend('values'),
      (error) => error instanceof BudgetError && /x\.pth would unfold/.test(error.message),
    );
    assert.throws(() => budget.spend('bytes', Number.NaN), BudgetError);
  });
  test('ends when the reading is aborted', () => {
    const controller = new AbortController();
    const budget = new Budget('x.pth', 1000, controller.signal);
    budget.check();
    controller.abort(new UserError('stopped'));
    assert.throws(() => {
      for (let i = 0; i < 5000; i++) budget.spend('values');
    }, /stopped/);
  });
});
