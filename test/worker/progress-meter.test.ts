import assert from 'node:assert/strict';
import test from 'node:test';
import type { Phase } from '../../src/common/progress.ts';
import type { ProgressReport } from '../../src/protocol/values.ts';
import { ProgressMeter } from '../../src/worker/progress-meter.ts';

function meter(): { reports: ProgressReport[]; at(ms: number, phase: Phase, done: number, total: number): void } {
  const reports: ProgressReport[] = [];
  let time = 0;
  const made = new ProgressMeter(
    (report) => reports.push(report),
    () => time,
  );
  return {
    reports,
    at(ms, phase, done, total) {
      time = ms;
      made.report({ phase, done, total });
    },
  };
}

test('sends the first and last report of a phase and ten a second between', () => {
  const { reports, at } = meter();
  for (let ms = 0; ms <= 1000; ms += 10) at(ms, 'score', ms / 10, 100);
  assert.ok(reports.length >= 10 && reports.length <= 12, String(reports.length));
  assert.equal(reports[0].done, 0);
  assert.equal(reports.at(-1)?.done, 100);
  at(1001, 'write', 0, 10);
  assert.equal(reports.at(-1)?.phase, 'write');
});

test('knows rate and time left once there is something to measure', () => {
  const { reports, at } = meter();
  at(0, 'evaluate', 0, 1000);
  assert.equal(reports.at(-1)?.rate, undefined);
  at(1000, 'evaluate', 200, 1000);
  assert.equal(reports.at(-1)?.rate, 200);
  assert.equal(reports.at(-1)?.eta, 4);
  at(2000, 'evaluate', 300, 0);
  assert.equal(reports.at(-1)?.eta, undefined);
});
