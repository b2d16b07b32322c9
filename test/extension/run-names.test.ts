import assert from 'node:assert/strict';
import test from 'node:test';
import { differences, modelWords, runName } from '../../src/extension/runs/run-names.ts';
import type { RunRecord } from '../../src/extension/runs/run-record.ts';

const words = { epochs: (count: number) => `${count} epochs` };
const finetune = (flags: Record<string, string | number | boolean>, change: Partial<RunRecord> = {}): RunRecord => ({
  id: 'x',
  number: 3,
  title: 'Finetuning',
  subject: 'resnet20-50pct.safetensors · images',
  state: 'done',
  created: '2026-01-01T00:00:00Z',
  request: {
    kind: 'finetune',
    source: { kind: 'file', path: '/m/resnet20-50pct.safetensors' },
    settings: { recipe: 'cifar', dataPath: '/d', flags },
  },
  ...change,
});

test('a finetuning is called by number, model, epochs and what it reached', () => {
  assert.equal(runName(finetune({ epochs: 12 }, { top1: 0.764 }), words), '#3 · resnet20 50 % · 12 epochs · 76.4 %');
  assert.equal(runName(finetune({ epochs: 12 }), words), '#3 · resnet20 50 % · 12 epochs');
});

test('others by what they do, those of earlier versions without a number, and the person has the last word', () => {
  const scoring: RunRecord = {
    ...finetune({}),
    title: 'Scoring channels',
    subject: 'resnet20.pth.tar',
    request: {
      kind: 'score',
      source: { kind: 'zoo', name: 'x' },
      settings: { criterion: 'l1', batches: 0, batchSize: 0, seed: 0 },
    },
  };
  assert.equal(runName(scoring, words), '#3 · Scoring channels · resnet20');
  assert.equal(
    runName({ ...finetune({ epochs: 2 }), number: undefined }, words),
    'Finetuning · resnet20 50 % · 2 epochs',
  );
  assert.equal(runName(finetune({ epochs: 2 }, { name: 'with mixup', top1: 0.5 }), words), 'with mixup');
  assert.equal(modelWords('/a/b/net.v2.safetensors'), 'net.v2');
});

test('a legend names only the flags in which runs differ', () => {
  const own = finetune({ lr: 0.05, epochs: 12, momentum: 0.9 });
  assert.equal(differences(finetune({ lr: 0.01, epochs: 12, momentum: 0.9 }), own), 'lr 0.01');
  assert.equal(differences(own, own), '');
  assert.equal(differences(finetune({ lr: 0.05, epochs: 12 }), own), 'momentum –');
  const many = finetune({ a: 1, b: 2, c: 3, d: 4, lr: 0.05, epochs: 12, momentum: 0.9 });
  assert.equal(differences(many, own), 'a 1, b 2, c 3, +1');
});
