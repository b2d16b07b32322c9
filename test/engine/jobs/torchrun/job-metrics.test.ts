/** A job's metrics.jsonl, read on as it grows. */
import assert from 'node:assert/strict';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { JobMetrics } from '../../../../src/engine/jobs/torchrun/job-metrics.ts';
import { workFolder } from '../../training/tiny.ts';

const file = path.join(workFolder(), 'metrics.jsonl');
const step = (at: number, loss: number): string =>
  `${JSON.stringify({ kind: 'step', epoch: Math.floor(at / 4), step: at, loss })}\n`;
const end = (epoch: number, top1: number, more: object = {}): string =>
  `${JSON.stringify({ kind: 'epoch', epoch, step: 4 * epoch + 3, top1, ...more })}\n`;

test('what is added is added up; half a line waits; damaged lines are left out', async () => {
  const metrics = new JobMetrics(file);
  assert.deepEqual(await metrics.read(), {});
  writeFileSync(file, step(0, 2) + step(1, 1.5).slice(0, 20));
  assert.equal((await metrics.read()).lastStep?.step, 0);
  appendFileSync(file, `${step(1, 1.5).slice(20)}{"kind":\n${end(0, 0.5, { averageTop1: 0.75 })}`);
  const { lastStep, lastEpoch, bestTop1 } = await metrics.read();
  assert.deepEqual([lastStep?.['loss'], lastEpoch?.epoch, bestTop1], [1.5, 0, 0.75]);
  appendFileSync(file, end(1, 0.6));
  const more = await metrics.read();
  assert.deepEqual([more.lastEpoch?.epoch, more.bestTop1], [1, 0.75]);
});

test('lines that a restarted run dropped are forgotten, though as many came in their place', async () => {
  const metrics = new JobMetrics(file);
  writeFileSync(file, step(0, 2) + end(0, 0.9) + step(4, 1.1));
  assert.equal((await metrics.read()).bestTop1, 0.9);
  writeFileSync(file, step(0, 2) + end(0, 0.4) + step(4, 1.2) + step(5, 1));
  const { bestTop1, lastStep } = await metrics.read();
  assert.deepEqual([bestTop1, lastStep?.step], [0.4, 5]);
  writeFileSync(file, step(0, 2));
  assert.equal((await metrics.read()).lastEpoch, undefined);
  rmSync(file);
  assert.deepEqual(await metrics.read(), {});
});

test('a file larger than what is read at once is read whole', async () => {
  const lines = Array.from({ length: 60_000 }, (_, i) => step(i, 1 / (i + 1)));
  writeFileSync(file, lines.join('') + end(0, 0.5));
  const metrics = new JobMetrics(file);
  const { lastStep, lastEpoch } = await metrics.read();
  assert.deepEqual([lastStep?.step, lastEpoch?.epoch], [59_999, 0]);
});
