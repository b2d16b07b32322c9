/** Exit codes, help, and what goes to stdout and to stderr. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commands } from '../../src/cli/command-table.ts';
import { flagName } from '../../src/common/flags.ts';
import { espalier, lastLine } from './cli.ts';

const badUsage: readonly (readonly [args: string, message: RegExp])[] = [
  ['', /no command/],
  ['explode', /unknown command "explode": one of .*evaluate/],
  ['info', /no model: give --model NAME\|FILE/],
  ['info resnet20 --colour red', /unknown option --colour/],
  ['info resnet20 --input-size small', /--input-size needs a number, got "small"/],
  ['finetune --model resnet20 --opt lamb', /--opt must be one of sgd, sgd_nesterov, rmsprop, adamw, got "lamb"/],
  ['finetune --model resnet20 --data-path . --epochs 1.5', /--epochs needs an integer, got 1\.5/],
  ['finetune --model resnet20 --data-path . --lr', /--lr needs a value/],
  ['finetune --model resnet20 --data-path . --model-e', /--model-e could be --model-ema or --model-ema-/],
  ['finetune --model resnet20 --data-path . --aa original', /--aa original is not known/],
  [
    'prune resnet20 --target-macs 50% --bn-recalibrate 2 --bn-share 0',
    /--bn-share needs a number above 0, up to 1, got 0/,
  ],
  ['repair --model resnet20 --teacher resnet20 --bn-share 0.5', /--bn-share mixes .*: give --bn-recalibrate too/],
  ['export --model resnet20', /export needs --format and --output/],
  ['finetune --model resnet20 --data-path . --epochs 9007199254740993', /--epochs needs an integer up to 2\^53 − 1/],
  [
    'finetune --model resnet20 --data-path . --no-augment=maybe',
    /--no-augment takes true, false, yes, no, 1 or 0, got "maybe"/,
  ],
  ['finetune --model resnet20 --no-augment false', /unexpected argument "false": the model is resnet20 already/],
  ['finetune --resume somewhere resnet20', /unexpected argument "resnet20": the model is that of the run in --resume/],
  ['info resnet20 resnet32', /unexpected argument "resnet32": espalier info/],
  ['models resnet20', /unexpected argument "resnet20"/],
  ['runtime remove', /runtime remove\? It is status or install/],
];

for (const [args, message] of badUsage)
  test(`bad usage: espalier ${args}`, async () => {
    const { code, stderr, stdout } = await espalier(args.split(' ').filter(Boolean));
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
    if (args) assert.equal(stdout, '');
  });

test('what fails for another reason is exit code 1, with the reason alone on stderr', async () => {
  for (const [args, message] of [
    ['info no-such-model', /^espalier: no-such-model is neither a file nor a known model: .*\n$/],
    ['info no-such-file.pth', /^espalier: Cannot read .*no-such-file\.pth: there is no such file or folder\.\n$/],
    ['info resnet20 --ckpt no-such-file.pth', /^espalier: Cannot read .*no-such-file\.pth: /],
    ['info reznet50', /^espalier: reznet50 is neither a file nor a known model: did you mean resnet50/],
  ] as const) {
    const { code, stderr, stdout } = await espalier(args.split(' '));
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
    assert.match(stderr, message);
  }
});

test('help lists every command, and every option of one', async () => {
  const { code, stdout, stderr } = await espalier(['--help']);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  for (const [name, { summary }] of Object.entries(commands))
    assert.ok(stdout.includes(`  ${name.padEnd(10)} ${summary}\n`), name);
  const one = await espalier(['finetune', '--help']);
  assert.equal(one.code, 0);
  for (const option of ['--lr-warmup-method linear|constant', '--model-ema-decay NUMBER', '--clip-grad-norm', '--json'])
    assert.ok(one.stdout.includes(option), option);
  const listed = [...one.stdout.matchAll(/^ {2}--([a-z0-9-]+) /gm)].map(([, name]) => name);
  assert.deepEqual(listed, [...Object.keys(commands['finetune'].flags).map(flagName), 'json', 'help']);
  assert.match(one.stdout, /--lr-gamma NUMBER .*\(default 0\.1\)/);
});

test('--json prints one object as the last line of stdout, and text comes without it', async () => {
  const result = await espalier(['info', 'resnet20', '--json']);
  assert.deepEqual([result.code, result.stderr, result.stdout.split('\n').length], [0, '', 2]);
  const { model, macs, params, layers } = lastLine(result);
  // The paper's counter: 40.93 M without the functional ReLUs of this family.
  assert.deepEqual([model, Math.round(Number(macs) / 1e4), params], ['resnet20', 4093, 269722]);
  assert.equal((layers as object[]).length, 39);
  const text = await espalier(['info', 'resnet20']);
  assert.match(text.stdout, /^resnet20 \(cifar-resnet\), 10 classes, input 3×32×32\n/);
});

test('flags are taken as argparse takes them', async () => {
  const models = await Promise.all(
    ['info --model=resnet20 --input_size 64 --json', 'info resnet20 --input 64 --json'].map((args) =>
      espalier(args.split(' ')),
    ),
  );
  for (const result of models) assert.deepEqual(lastLine(result).input, [3, 64, 64]);
});
