/** A run's folder: what is kept, what is refused, and metrics that a kill has cut off. */
import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { BEST, LATEST, type MetricsLine, RunDirectory, runName } from '../../../src/engine/training/run-directory.ts';
import { workFolder } from './tiny.ts';

const work = workFolder();
const place = (name: string): string => path.join(work, name);
const step = (epoch: number, at: number): MetricsLine => ({ kind: 'step', epoch, step: at, loss: at / 2 });
const epochEnd = (epoch: number, at: number): MetricsLine => ({ kind: 'epoch', epoch, step: at, top1: 0.5 });

async function runWith(name: string, lines: readonly MetricsLine[]): Promise<RunDirectory> {
  const run = await RunDirectory.create(place(name));
  await run.writeRun({ version: 1 });
  for (const line of lines) await run.append(line);
  return run;
}

test('names sort by time and are legal on every system', () => {
  const name = runName('my model/v2:*', new Date('2026-11-22T16:47:13.5Z'));
  assert.equal(name, '2026-11-22T16-47-13-my_model_v2_');
});

test('a line that was being written when the process was killed does not count', async () => {
  const run = await runWith('cut', [step(0, 0)]);
  await appendFile(run.file('metrics.jsonl'), '{"kind":"step","epo');
  assert.deepEqual(await run.metrics(), [step(0, 0)]);
  await run.rewindMetrics({ epoch: 0, step: 1 });
  await run.append(step(0, 1));
  assert.deepEqual(await run.metrics(), [step(0, 0), step(0, 1)]);
});

test('rewinding drops what will be done again: steps by number, ends of epochs by epoch', async () => {
  const lines = [step(0, 0), step(0, 1), epochEnd(0, 1), step(1, 2), step(1, 3), epochEnd(1, 3)];
  for (const [next, kept] of [
    [{ epoch: 0, step: 0 }, 0],
    [{ epoch: 0, step: 1 }, 1],
    // Saved after the last step of an epoch and before its validation.
    [{ epoch: 0, step: 2 }, 2],
    [{ epoch: 1, step: 2 }, 3],
    [{ epoch: 1, step: 4 }, 5],
    [{ epoch: 2, step: 4 }, 6],
  ] as const) {
    const run = await runWith(`rewound-${next.epoch}-${next.step}`, lines);
    await run.rewindMetrics(next);
    assert.deepEqual(await run.metrics(), lines.slice(0, kept));
  }
});

test('a folder with checkpoints is not taken for a new run', async () => {
  for (const name of [LATEST, BEST]) {
    const run = await runWith(`taken-${name}`, [step(0, 0)]);
    await writeFile(run.file(name), 'weights');
    await assert.rejects(
      RunDirectory.create(run.path),
      (error) => error instanceof UserError && error.message.includes(name),
    );
    assert.equal((await run.metrics()).length, 1);
    await RunDirectory.create(run.path, { overwrite: true });
    assert.deepEqual((await readdir(run.path)).sort(), name === BEST ? [BEST, 'run.json'] : ['run.json']);
  }
});

test('a file where the folder should be', async () => {
  await writeFile(place('file'), '');
  await assert.rejects(RunDirectory.create(path.join(place('file'), 'run')), /Cannot prepare the folder .*file/);
});

test('opened from its folder or its latest checkpoint, not from another', async () => {
  const { path: directory } = await runWith('opened', []);
  for (const from of [directory, path.join(directory, LATEST)])
    assert.equal((await RunDirectory.open(from)).path, directory);
  await assert.rejects(
    RunDirectory.open(path.join(directory, BEST)),
    /only latest\.safetensors has the state of the optimiser/,
  );
  await assert.rejects(RunDirectory.open(work), /holds no run/);
});

test('a run continued elsewhere takes its past with it', async () => {
  const from = await runWith('from', [step(0, 0)]);
  await writeFile(from.file(BEST), 'weights');
  const to = await RunDirectory.create(place('to'));
  await to.continueFrom(from);
  assert.deepEqual(await to.metrics(), await from.metrics());
  assert.equal(await readFile(to.file(BEST), 'utf8'), 'weights');
  await from.continueFrom(from);
  assert.equal((await from.metrics()).length, 1);
});
