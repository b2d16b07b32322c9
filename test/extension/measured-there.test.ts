import assert from 'node:assert/strict';
import test from 'node:test';
import { measuredThere } from '../../src/extension/runs/measured-there.ts';
import type { RunRecord } from '../../src/extension/runs/run-record.ts';
import type { EvaluationResult } from '../../src/protocol/values.ts';

const best = '/w/.espalier/runs/a/job/best.safetensors';
const job: RunRecord = {
  id: 'a',
  title: 'Finetuning',
  subject: 'half.safetensors · images',
  state: 'done',
  created: '2026-01-01T00:00:00Z',
  output: best,
  top1: 0.764,
  request: {
    kind: 'finetune',
    source: { kind: 'file', path: '/w/half.safetensors' },
    settings: {
      recipe: 'cifar',
      dataPath: '/w/images',
      flags: {},
      place: { engine: 'slurm', nodes: 1, processes: 8, dataPath: '/cluster/images' },
    },
  },
};
const measured = (change: Partial<EvaluationResult>): EvaluationResult =>
  ({
    source: { kind: 'file', path: best },
    split: 'val',
    dataPath: '/w/images',
    images: 2000,
    top1: 0.764,
    ...change,
  }) as EvaluationResult;

test('a job’s best model measured here is held against what the job measured', () => {
  assert.deepEqual(measuredThere(measured({}), undefined, [job]), { top1: 0.764, agrees: true });
  assert.deepEqual(measuredThere(measured({ top1: 0.7605 }), undefined, [job])?.agrees, true);
  assert.deepEqual(measuredThere(measured({ top1: 0.758 }), undefined, [job])?.agrees, false);
  // One image of few.
  assert.deepEqual(measuredThere(measured({ top1: 0.714, images: 20 }), undefined, [job])?.agrees, true);
});

test('other images, a part of them, other weights and other models are not compared', () => {
  const none = (change: Partial<EvaluationResult>, limit?: number) =>
    assert.equal(measuredThere(measured(change), limit, [job]), undefined);
  none({ split: 'train' });
  none({ dataPath: '/w/others' });
  none({}, 100);
  none({ source: { kind: 'file', path: best, useEma: true } });
  none({ source: { kind: 'file', path: '/w/half.safetensors' } });
  const here = { ...job, request: { ...job.request, settings: { recipe: 'cifar', dataPath: '/w/images', flags: {} } } };
  assert.equal(measuredThere(measured({}), undefined, [here as RunRecord]), undefined);
});
