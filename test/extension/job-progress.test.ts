import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobProgress } from '../../src/extension/runs/job-progress.ts';
import type { ProgressReport } from '../../src/protocol/values.ts';

const report = (phase: string, done: number, total: number): ProgressReport => ({ phase, done, total });
const shown = ({ done, total }: ProgressReport): number | undefined => (total > 0 ? done / total : undefined);

test('finetuning: training is the bar; validation in between does not take it back; reading and saving have none', () => {
  const job = new JobProgress('finetune');
  const reports = [
    report('read', 1, 2),
    report('read', 2, 2),
    report('finetune', 0, 10),
    report('finetune', 5, 10),
    report('validate', 0, 40),
    report('validate', 40, 40),
    report('finetune', 6, 10),
    report('finetune', 10, 10),
    report('validate', 3, 40),
    report('write', 1, 3),
  ];
  const shares = reports.map((one) => shown(job.of(one)));
  assert.deepEqual(shares, [undefined, undefined, 0, 0.5, 0.5, 0.5, 0.6, 1, undefined, undefined]);
  assert.deepEqual(job.of(report('validate', 10, 40)), { phase: 'validate', message: '25 %', done: 0, total: 0 });
});

test('several models: one bar over all of them, that only grows', () => {
  const job = new JobProgress('evaluate', 2);
  const seen: number[] = [];
  const show = (one: ProgressReport): void => void seen.push(shown(job.of(one)) ?? -1);
  show(report('read', 1, 1));
  show(report('evaluate', 10, 20));
  show(report('evaluate', 20, 20));
  show(report('latency', 3, 30));
  job.nextPart();
  show(report('read', 1, 1));
  show(report('evaluate', 10, 20));
  show(report('evaluate', 20, 20));
  assert.deepEqual(seen, [0, 0.25, 0.5, 0.5, 0.5, 0.75, 1]);
});

test('pruning has no phase that stands for the whole', () => {
  const job = new JobProgress('prune');
  assert.equal(shown(job.of(report('write', 1, 2))), undefined);
});
