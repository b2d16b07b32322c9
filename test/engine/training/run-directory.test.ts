/** A run's folder: what is kept, what is refused, and metrics that a kill has cut off. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { ownProcessId } from '../../../src/engine/files/process-id.ts';
import { type FinetuneRequest, writingOnlyInto } from '../../../src/engine/jobs/finetune-request.ts';
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
  await run.release();
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

test('damaged lines are left out and counted, whatever they are', async () => {
  const run = await runWith('damaged', [step(0, 0)]);
  const damage = [
    'null',
    '5',
    '"text"',
    '[]',
    '{}',
    '{"kind":"step"}',
    '{"kind":"epoch","epoch":"0","step":0}',
    '\u0000',
  ];
  await appendFile(run.file('metrics.jsonl'), `${damage.join('\n')}\n\n${JSON.stringify(step(0, 1))}\n{"kind":`);
  assert.deepEqual(await run.metrics(), [step(0, 0), step(0, 1)]);
  assert.equal(await run.rewindMetrics({ epoch: 9, step: 9 }), damage.length + 1);
  assert.equal(await run.rewindMetrics({ epoch: 9, step: 9 }), 0);
  assert.deepEqual(await run.metrics(), [step(0, 0), step(0, 1)]);
});

test('metrics that cannot be read are an error, not a run without any', async () => {
  const run = await runWith('unreadable', []);
  await mkdir(run.file('metrics.jsonl'));
  await assert.rejects(run.metrics(), /Cannot read .*metrics\.jsonl: it is a folder/);
});

test('a folder in which a run is written is nobody else’s, until the run releases it', async () => {
  const run = await RunDirectory.create(place('locked'));
  const message = new RegExp(
    `A run is being written into .*locked by process ${process.pid} on .*choose another --output-dir`,
  );
  await assert.rejects(RunDirectory.create(place('locked'), { overwrite: true }), message);
  await run.writeRun({ version: 1 });
  await assert.rejects((await RunDirectory.open(run.path)).lock(), message);
  await run.release();
  const next = await RunDirectory.open(run.path);
  await next.lock();
  await next.lock();
  await next.release();
  assert.deepEqual(await readdir(run.path), ['run.json']);
});

test('what killed processes have left half-written goes when the next run begins', async () => {
  const run = await runWith('leftovers', []);
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const dead = ownProcessId().replace(/^\d+/, String(pid));
  const left = [`.latest.safetensors.${dead}.0123456789ab.tmp`, `.run.json.${dead}.0123456789ab.tmp`];
  const kept = ['.mine.tmp', `.latest.safetensors.${ownProcessId()}.0123456789ab.tmp`];
  for (const name of [...left, ...kept]) await writeFile(run.file(name), 'half');
  await run.lock();
  await run.release();
  assert.deepEqual((await readdir(run.path)).sort(), [...kept, 'run.json'].sort());
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
    await (await RunDirectory.create(run.path, { overwrite: true })).release();
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
  await to.release();
  await from.continueFrom(from);
  assert.equal((await from.metrics()).length, 1);
});

test('a link in a run’s folder would lead out of it: the run is refused, and what it points to stays', async () => {
  const outside = place('outside.txt');
  await writeFile(outside, 'mine');
  const run = await runWith('linked', [step(0, 0)]);
  await rm(run.file('metrics.jsonl'));
  await symlink(outside, run.file('metrics.jsonl'));
  const again = await RunDirectory.open(run.path);
  const isRefused = (error: unknown): boolean =>
    error instanceof UserError &&
    /metrics\.jsonl is a link, and a run writes only into its own folder/.test(error.message);
  await assert.rejects(again.lock(), isRefused);
  await assert.rejects(RunDirectory.create(run.path), isRefused);
  assert.equal(await readFile(outside, 'utf8'), 'mine');
});

test('a recorded place for the teacher’s outputs outside of the run’s folder is read and never written', () => {
  const request = (teacherCache: string) =>
    ({ model: { model: 'resnet20' }, dataPath: 'x', options: { teacherCache } }) as unknown as FinetuneRequest;
  const folder = place('run');
  const elsewhere = writingOnlyInto(folder, request('/home/me/.profile'));
  assert.equal(elsewhere.options.teacherCache, path.join(folder, 'teacher.safetensors'));
  assert.equal(elsewhere.readTeacherCache, '/home/me/.profile');
  for (const outside of [`${folder}-2/x`, path.join(folder, '..', 'x'), path.join(folder, 'link', 'x')])
    assert.equal(writingOnlyInto(folder, request(outside)).readTeacherCache, outside);
  const own = request(path.join(folder, 'logits.safetensors'));
  assert.equal(writingOnlyInto(folder, own), own);
});
