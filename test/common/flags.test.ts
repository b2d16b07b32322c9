import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../src/common/errors.ts';
import { flag, parseFlags } from '../../src/common/flags.ts';
import { trainingFlags } from '../../src/engine/training/training-options.ts';

test("flags of the paper's scripts parse as argparse would, abbreviations included", () => {
  const line =
    '--epochs 300 --batch-size 512 --opt adamw --lr 0.0005 --wd 0.05 --lr-scheduler=cosineannealinglr --amp ' +
    '--val-resize 256 --output output/x --auto-augment ra --no_imagenet_mean_std';
  const { values, given } = parseFlags(trainingFlags, line.split(' '));
  assert.equal(values.weightDecay, 0.05);
  assert.equal(values.outputDir, 'output/x');
  assert.equal(values.valResizeSize, 256);
  assert.equal(values.lrScheduler, 'cosineannealinglr');
  assert.equal(values.noImagenetMeanStd, true);
  assert.ok(given.has('amp') && !given.has('momentum'));
});

test('a list takes values until the next flag; negative numbers are values', () => {
  const table = { ignore: flag.list(''), shift: flag.number(0, '') };
  const { values, positionals } = parseFlags(table, ['file', '--ignore', 'a.*', 'b', '--shift', '-3']);
  assert.deepEqual(values, { ignore: ['a.*', 'b'], shift: -3 });
  assert.deepEqual(positionals, ['file']);
});

test('booleans take six words, in any case, and nothing else', () => {
  const table = { quick: flag.boolean('') };
  const of = (text: string): boolean => parseFlags(table, [`--quick=${text}`]).values.quick;
  assert.deepEqual(['true', 'YES', '1', 'false', 'No', '0'].map(of), [true, true, true, false, false, false]);
  for (const text of ['', 'on', 'flase', '2']) assert.throws(() => of(text), UsageError, text);
});

test('integers are those that a number can hold exactly', () => {
  const table = { seed: flag.integer(0, '') };
  assert.equal(parseFlags(table, ['--seed', '9007199254740991']).values.seed, Number.MAX_SAFE_INTEGER);
  for (const text of ['9007199254740992', '-9007199254740993', '1e300'])
    assert.throws(() => parseFlags(table, ['--seed', text]), /--seed needs an integer/, text);
});

test('wrong options name themselves', () => {
  const fails = (args: string[], message: RegExp) =>
    assert.throws(
      () => parseFlags(trainingFlags, args),
      (e) => e instanceof UsageError && message.test(e.message),
    );
  fails(['--nonsense'], /unknown option --nonsense/);
  fails(['--lr'], /--lr needs a value/);
  fails(['--lr', 'fast'], /--lr needs a number, got "fast"/);
  fails(['--opt', 'lion'], /--opt must be one of sgd/);
  fails(['--model-em', '1'], /could be/);
});

test('a number may be left out where the flag says so, and takes no file for one', () => {
  const table = { repair: flag.optionalInteger(0, 1000, '') };
  const read = (...args: string[]) => parseFlags(table, args);
  assert.equal(read().values.repair, 0);
  assert.equal(read('--repair').values.repair, 1000);
  assert.equal(read('--repair', '250').values.repair, 250);
  assert.equal(read('--repair=250').values.repair, 250);
  const { values, positionals } = read('--repair', 'model.pth');
  assert.deepEqual([values.repair, positionals], [1000, ['model.pth']]);
});
