/** `espalier finetune` as a program: killed, interrupted, and what it prints. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { LATEST } from '../../src/engine/training/run-directory.ts';
import { readRunState } from '../../src/engine/training/run-state.ts';
import { skipWithoutRuntime, tinyImages, workFolder } from '../engine/training/tiny.ts';
import { espalier, lastLine, start } from './cli.ts';
import { assertSurvivesKills } from './killed-runs.ts';

const skip = skipWithoutRuntime;
const work = workFolder();
let images = '';
before(async () => {
  images = await tinyImages(work);
});

const tiny = (output: string, more = ''): string[] =>
  `finetune --model resnet20 --input-size 16 --batch-size 32 --workers 1 --data-path ${images} --output-dir ${path.join(work, output)} ${more}`
    .trim()
    .split(/\s+/);

test('killed, it comes to the same result', { skip }, () => assertSurvivesKills(work, images, 1, 2));
test('killed twice with the built-in backend, it goes on with it', () =>
  assertSurvivesKills(work, images, 2, 2, 'embedded'));

test('Ctrl-C ends it between two steps, with exit code 1 and files that are whole', { skip }, async () => {
  const { child, ended, said } = await start(tiny('interrupted', '--epochs 1000 --print-freq 1 --lr 0.01'));
  await said('epoch 3, step 10');
  child.kill('SIGINT');
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 1, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /espalier: stopped/);
  const { progress } = await readRunState(path.join(work, 'interrupted', LATEST));
  assert.ok(progress.step >= 10);
  const run = JSON.parse(await readFile(path.join(work, 'interrupted', 'run.json'), 'utf8')) as { state: string };
  assert.equal(run.state, 'stopped');
});

/** The process that a command computes in; undefined where this system does not tell. */
function computingProcess(parent: number | undefined): number | undefined {
  const children = `/proc/${parent}/task/${parent}/children`;
  if (existsSync(children)) return Number(readFileSync(children, 'utf8').split(' ')[0]) || undefined;
  try {
    return Number(execFileSync('pgrep', ['-P', String(parent)], { encoding: 'utf8' }).split('\n')[0]) || undefined;
  } catch {
    return undefined;
  }
}

test('Ctrl-C ends it although a step does not', { skip }, async (t) => {
  const { child, ended, said } = await start(tiny('stuck', '--epochs 1000 --print-freq 1 --save-interval 0 --lr 0.01'));
  await said('epoch 1, step 3');
  const computing = computingProcess(child.pid);
  if (!computing) {
    child.kill('SIGINT');
    await ended;
    return t.skip('needs pgrep');
  }
  // As in the middle of a long call of TensorFlow: nothing is heard.
  process.kill(computing, 'SIGSTOP');
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  assert.equal(code, 1);
  assert.match(stderr, /espalier: stopped\n$/);
  assert.throws(() => process.kill(computing, 0), { code: 'ESRCH' });
  const { progress } = await readRunState(path.join(work, 'stuck', LATEST));
  assert.ok(progress.step >= 3);
});

test('a computing process that is killed is told of', { skip }, async (t) => {
  const { child, ended, said } = await start(tiny('killed', '--epochs 1000 --print-freq 1 --lr 0.01'));
  await said('epoch 1, step 3');
  const computing = computingProcess(child.pid);
  if (computing) process.kill(computing, 'SIGKILL');
  else child.kill('SIGINT');
  const { code, stderr } = await ended;
  assert.equal(code, 1);
  if (!computing) return t.skip('needs pgrep');
  assert.match(stderr, /espalier: the computing process was ended \(SIGKILL\)/);
});

test('settings are printed in full before the run, metrics as often as asked, the result alone on stdout', {
  skip,
}, async () => {
  const result = await espalier(
    tiny('printed', '--recipe cifar --epochs 1 --batch-size 64 --print-freq 2 --amp --json --bn-recalibrate 1'),
  );
  const { code, stdout, stderr } = result;
  assert.equal(code, 0, stderr);
  const [before] = stderr.split('\nrun: ');
  for (const setting of ['--lr 0.05', '--lr-scheduler onecycle', '--weight-decay 0.0005', '--epochs 1', '--opt sgd'])
    assert.ok(before.includes(`  ${setting}\n`), `${setting} in:\n${before}`);
  assert.match(stderr, /^--amp: .* bfloat16/m);
  assert.match(stderr, /^model resnet20 \(10\.23 M MACs, 269\.72 k parameters\), with random weights$/m);
  assert.match(stderr, /^images 160 for training, 40 for validation, 10 classes$/m);
  assert.match(stderr, /^batch norm statistics averaged anew over 1 batches of training images first$/m);
  assert.match(stderr, /^run: .*printed \(TensorFlow .*products in bfloat16\)$/m);
  assert.deepEqual(stderr.match(/^epoch 1, step \d+/gm), ['epoch 1, step 0', 'epoch 1, step 2']);
  assert.match(stderr, /^epoch 1: top-1 [\d.]+ % on 40 images, loss [\d.]+ \(training [\d.]+\)$/m);
  assert.equal(stdout.trimEnd().split('\n').length, 1);
  const { epochs, best_top1, last_top1, loss, images: count, images_per_second, output_dir } = lastLine(result);
  assert.deepEqual({ epochs, count, output_dir }, { epochs: 1, count: 40, output_dir: path.join(work, 'printed') });
  assert.equal(best_top1, last_top1);
  assert.ok(Number(loss) > 0 && Number(images_per_second) > 0);
  const opened = lastLine(await espalier(['info', path.join(work, 'printed', 'best.safetensors'), '--json']));
  assert.equal(opened.model, 'resnet20');
  assert.deepEqual(opened.input, [3, 16, 16]);
  assert.match(JSON.stringify(opened.history), /finetuned.*1 epochs, sgd, lr 0\.05, batch 64/);
});

test('the linear learning-rate rule is offered, and used where asked', { skip }, async () => {
  const model = path.join(work, 'printed', 'best.safetensors');
  const options = `--model ${model} --recipe resnet --batch-size 64 --test-only --val-resize-size 16 --json`;
  const offered = await espalier(tiny('never', options));
  assert.equal(offered.code, 0, offered.stderr);
  assert.match(offered.stderr, /is for 1024 images a step; --scale-lr would make it 0\.04 × 64 \/ 1024 = 0\.0025/);
  assert.deepEqual([lastLine(offered).epochs, lastLine(offered).images], [0, 40]);
  const used = await espalier(tiny('never', `${options} --scale-lr`));
  assert.match(used.stderr, /learning rate by the linear rule: 0\.04 × 64 \/ 1024 = 0\.0025/);
  assert.ok(!existsSync(path.join(work, 'never')));
});

test('a teacher is told of: what is learnt from it, and with which head', { skip }, async () => {
  const teacher = path.join(work, 'printed', 'best.safetensors');
  const more = `--epochs 1 --max-steps 1 --lr 0.01 --teacher-model ${teacher}`;
  const { code, stdout, stderr } = await espalier(
    tiny('taught', `${more} --distillation soft --distillation-temperature 4`),
  );
  assert.equal(code, 0, stderr);
  const said =
    'teacher resnet20 (10.23 M MACs, 269.72 k parameters): its probabilities at temperature 4, 50 % of the loss, on the class head';
  assert.ok(stderr.includes(said), stderr);
  assert.match(stdout, /after 1 epoch, best [\d.]+ % \(of 40 images\): /);
});

test('iterative pruning says its settings, its steps and how the training between them goes', { skip }, async () => {
  const model = path.join(work, 'printed', 'best.safetensors');
  const output = path.join(work, 'iterative');
  const result = await espalier(
    `prune --model ${model} --data-path ${images} --pruning-type l2 --target-macs 50% --iterative-steps 2 --recipe cifar --finetune-epochs 1 --finetune-lr 0.01 --workers 1 --output-dir ${output} --save-as ${output}.safetensors --json`.split(
      ' ',
    ),
  );
  assert.equal(result.code, 0, result.stderr);
  const said = [
    'training between 2 prunings',
    '  --lr 0.01',
    'pruning 1 of 2: 10.23 M → ',
    'images 160 for training',
    `run: ${path.join(output, 'step-1')}`,
    'epoch 1: top-1 ',
    'pruning 2 of 2: ',
  ];
  const places = said.map((text) => result.stderr.indexOf(text));
  assert.ok(!places.includes(-1), result.stderr);
  assert.deepEqual(
    [...places].sort((a, b) => a - b),
    places,
  );
  const { before, after } = lastLine(result) as Record<'before' | 'after', { macs: number }>;
  assert.ok(after.macs <= before.macs / 2 && after.macs > 0.45 * before.macs);
});
