/** Runs that are killed again and again, as by a machine that fails. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BackendName } from '../../src/engine/compute/executor.ts';
import { Random } from '../../src/engine/data/random.ts';
import { assertSameRun, tinyModel } from '../engine/training/tiny.ts';
import { espalier, start } from './cli.ts';

/** Everything that has state or chance; `latest` is saved some of the time, so that some steps are done again. */
const SETTINGS =
  '--batch-size 32 --workers 1 --opt adamw --lr 1e-3 --lr-scheduler onecycle --model-ema ' +
  '--model-ema-steps 2 --clip-grad-norm 1 --mixup-alpha 0.8 --cutmix-alpha 1 --auto-augment ra --random-erase 0.25';
const SAVE_EVERY_MINUTES = 0.001;

const linesIn = (file: string): number => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);

/** Kills a process some milliseconds after it has written some lines; false where it ended before. */
async function killedOnTheWay(args: readonly string[], metrics: string, random: Random): Promise<boolean> {
  const { child, ended } = await start(args, { alone: true });
  const before = linesIn(metrics);
  const lines = random.int(4);
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  while (!isOver && linesIn(metrics) === before) await delay(5);
  const first = linesIn(metrics);
  while (!isOver && linesIn(metrics) < first + lines) await delay(1);
  await delay(random.int(40));
  child.kill('SIGKILL');
  const { code, stderr } = await ended;
  assert.ok(code === null || code === 0, stderr);
  return code === null;
}

/** Trains without a break and with `kills` of them, naming the backend only at the beginning, and asserts that nothing in the results tells which was which. */
export async function assertSurvivesKills(
  folder: string,
  images: string,
  kills: number,
  epochs: number,
  backend: BackendName = 'tensorflow',
): Promise<void> {
  const [unbroken, broken] = ['unbroken', 'broken'].map((name) => path.join(folder, `${name}-${backend}`));
  const begin = (output: string): string[] =>
    `finetune --model ${tinyModel(images)} ${SETTINGS} --data-path ${images} --output-dir ${output} --epochs ${epochs} --save-interval ${SAVE_EVERY_MINUTES} --backend ${backend}`.split(
      ' ',
    );
  const whole = await espalier(begin(unbroken), { alone: true });
  assert.equal(whole.code, 0, whole.stderr);
  const random = new Random(kills);
  const metrics = path.join(broken, 'metrics.jsonl');
  let args = begin(broken);
  for (let killed = 0; killed < kills; killed++) {
    assert.ok(await killedOnTheWay(args, metrics, random), `it ended after ${killed} kills: give it more epochs`);
    args = ['finetune', '--resume', broken];
  }
  const last = await espalier(args, { alone: true });
  assert.equal(last.code, 0, last.stderr);
  await assertSameRun(unbroken, broken);
  assert.deepEqual(readdirSync(broken).sort(), readdirSync(unbroken).sort(), 'something is left behind');
}
