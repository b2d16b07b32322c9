/** `espalier finetune` as a program: killed, interrupted, and what it prints. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { LATEST } from '../../src/training/run-directory.ts';
import { readRunState } from '../../src/training/run-state.ts';
import { skipWithoutRuntime, tinyImages, workFolder } from '../training/tiny.ts';
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

test('killed three times, it comes to the same result', { skip }, () => assertSurvivesKills(work, images, 3, 3));

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
  for (const setting of ['--lr 0.05', '--lr-scheduler onecycle', '--weight-decay 0.0005', '--epochs 1', '--opt sgd'])
    assert.ok(stderr.indexOf(`  ${setting}\n`) < stderr.indexOf('run: '), setting);
  assert.match(stderr, /^--amp: .* bfloat16/m);
  assert.match(stderr, /^run: .*printed \(TensorFlow .*products in bfloat16\)$/m);
  assert.deepEqual(stderr.match(/^epoch 1, step \d+/gm), ['epoch 1, step 0', 'epoch 1, step 2']);
  assert.match(stderr, /^epoch 1: top-1 [\d.]+ % on 40 images, loss [\d.]+ \(training [\d.]+\)$/m);
  assert.equal(stdout.trimEnd().split('\n').length, 1);
  const { epochs, best_top1, last_top1, loss, images_per_second, output_dir } = lastLine(result);
  assert.deepEqual({ epochs, output_dir }, { epochs: 1, output_dir: path.join(work, 'printed') });
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
