/** The process of a finetuning run: it outlives whoever started it, is followed and directed by files, and says how it ended. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { directRun, followRun, hasEnded, startRun } from '../../src/extension/runs/run-process.ts';
import { isAlive, type RunOwner } from '../../src/extension/runs/run-record.ts';
import { RequestError } from '../../src/extension/supervision/request-error.ts';
import { type FinetuneStart, RUN_FILES, runPoint } from '../../src/protocol/run-files.ts';
import type { ProgressReport, RunPoint } from '../../src/protocol/values.ts';
import { skipWithoutRuntime as skip, tinyImages, tinyModel, workFolder } from '../engine/training/tiny.ts';
import { builtProgram } from '../support/built-programs.ts';

const work = workFolder();
let entry = '';
let start: FinetuneStart;
before(async () => {
  entry = await builtProgram('run');
  const dataPath = await tinyImages(work);
  const flags = { epochs: 2, 'batch-size': 8, opt: 'sgd', lr: 0.01, workers: 1 };
  start = {
    source: { kind: 'file', path: tinyModel(dataPath) },
    settings: { recipe: 'cifar', dataPath, flags },
    resume: false,
  };
});

interface Watched {
  readonly folder: string;
  readonly owner: RunOwner;
  readonly points: RunPoint[];
  readonly reports: ProgressReport[];
  readonly controller: AbortController;
  readonly end: ReturnType<typeof followRun>;
}

function follow(folder: string, owner: RunOwner): Watched {
  const controller = new AbortController();
  const points: RunPoint[] = [];
  const reports: ProgressReport[] = [];
  const end = followRun(folder, owner, {
    signal: controller.signal,
    onProgress: (report) => reports.push(report),
    onPoints: (more) => points.push(...more),
  });
  end.catch(() => undefined);
  return { folder, owner, points, reports, controller, end };
}

async function begin(name: string, change: Partial<FinetuneStart> = {}): Promise<Watched> {
  const folder = path.join(work, name);
  const pid = await startRun(folder, { ...start, ...change }, { entry });
  return follow(folder, { host: os.hostname(), pid });
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); ) {
    assert.ok(Date.now() < deadline, 'waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const flagged = (flags: FinetuneStart['settings']['flags']): Partial<FinetuneStart> => ({
  settings: { ...start.settings, flags: { ...start.settings.flags, ...flags } },
});

async function refusal(end: Promise<unknown>): Promise<RequestError> {
  const error = await end.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RequestError, String(error));
  return error;
}

test('a run goes in a process of its own; its points and result come by files', { skip }, async () => {
  const run = await begin('whole');
  const result = await run.end;
  assert.equal(result.epochs, 2);
  assert.equal(result.stopped, 'finished');
  assert.ok(existsSync(result.best));
  assert.equal(run.points.filter(({ kind }) => kind === 'epoch').length, 2);
  // Whoever comes after its end is told how it went.
  assert.ok(await hasEnded(run.folder));
  assert.deepEqual(await follow(run.folder, run.owner).end, result);
});

test('its progress comes by a file; paused, it stands still; stopped after an epoch, it ends in order and can be taken up', {
  skip,
}, async () => {
  const run = await begin('paused', flagged({ epochs: 500 }));
  await until(() => run.points.length > 2);
  // Of a run of two small epochs a follower may see the end alone.
  await until(() => run.reports.some(({ phase, total }) => phase === 'finetune' && total > 0));
  await directRun(run.folder, 'pause');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const stood = run.points.length;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.equal(run.points.length, stood);
  await directRun(run.folder, 'stopAfterEpoch');
  const result = await run.end;
  assert.equal(result.stopped, 'afterEpoch');
  const again = await begin('paused', { ...flagged({ epochs: 500 }), resume: true });
  await until(() => again.points.length > 0);
  assert.ok(again.points[0].epoch >= result.epochs, 'it goes on where it ended');
  again.controller.abort();
  assert.equal((await refusal(again.end)).kind, 'cancelled');
  await until(() => !isAlive(again.owner));
});

test('killed, it was interrupted, with what it said last; a second follower learns the same', { skip }, async () => {
  const run = await begin('killed', flagged({ epochs: 500 }));
  const second = follow(run.folder, run.owner);
  await until(() => run.points.length > 0);
  await appendFile(path.join(run.folder, RUN_FILES.output), 'a warning of the runtime\n');
  process.kill(run.owner.pid, 'SIGKILL');
  for (const { end } of [run, second]) {
    const error = await refusal(end);
    assert.equal(error.kind, 'worker');
    assert.match(error.message, /was killed\. It said last:\n(.*\n)*a warning of the runtime$/);
  }
});

test('what cannot be started says why, in the words of a refusal', { skip }, async () => {
  const error = await refusal((await begin('refused', flagged({ 'no-such-flag': 1 }))).end);
  assert.equal(error.kind, 'user');
  assert.match(error.message, /unknown option "no-such-flag"/);
});

test('a start file out of someone’s repository cannot make a run write elsewhere', { skip }, async () => {
  const elsewhere = path.join(work, 'elsewhere');
  const run = await begin('inside', flagged({ 'output-dir': elsewhere, resume: path.join(work, 'whole'), epochs: 1 }));
  const result = await run.end;
  assert.equal(path.dirname(result.best), run.folder);
  assert.equal(result.epochs, 1, 'it is a run of its own, and takes up no other');
  assert.equal(existsSync(elsewhere), false);
});

test('orders and ends of an earlier life are not taken for this one’s', { skip }, async () => {
  const folder = path.join(work, 'stale');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, RUN_FILES.order), JSON.stringify({ action: 'stop', time: '' }));
  await writeFile(
    path.join(folder, RUN_FILES.end),
    JSON.stringify({ kind: 'failed', error: { kind: 'user', message: 'old' } }),
  );
  const run = await begin('stale', flagged({ epochs: 1 }));
  assert.equal((await run.end).epochs, 1);
  await rm(folder, { recursive: true });
});

test('lines that are no points are left out, and figures that are no numbers', () => {
  for (const line of [null, 3, 'x', [], {}, { kind: 'step', step: 1 }, { kind: 'other', step: 1, epoch: 0 }])
    assert.equal(runPoint(line), undefined);
  const point = runPoint({ kind: 'step', step: 1, epoch: 0, loss: null, top1: 'x', learningRate: 0.1 });
  assert.deepEqual([point?.loss, point?.top1, point?.learningRate], [undefined, undefined, 0.1]);
});

test('what the run said is kept beside it', { skip }, async () => {
  assert.match(await readFile(path.join(work, 'refused', RUN_FILES.output), 'utf8'), /no-such-flag/);
});
