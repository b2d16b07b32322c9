import assert from 'node:assert/strict';
import { test } from 'node:test';
import { learningRate, type ScheduleOptions } from '../../../src/engine/training/schedules.ts';
import { readReference } from '../../support/reference.ts';

const { schedules } = readReference<{ schedules: Record<string, number[]> }>('training.json');

const base: ScheduleOptions = {
  lrScheduler: 'steplr',
  lr: 0.1,
  epochs: 50,
  lrWarmupEpochs: 0,
  lrWarmupMethod: 'linear',
  lrWarmupDecay: 0.033,
  lrStepSize: 30,
  lrGamma: 0.1,
  lrMin: 0,
};

const cases: readonly [string, Partial<ScheduleOptions>][] = [
  ['steplr step 30 gamma .1, 100 epochs', { epochs: 100 }],
  ['cosine, 50 epochs, min 1e-3', { lrScheduler: 'cosineannealinglr', lrMin: 1e-3 }],
  ['cosine, 50 epochs, 5 linear warm-up from .033', { lrScheduler: 'cosineannealinglr', lrWarmupEpochs: 5 }],
  [
    'cosine, 50 epochs, 5 constant warm-up .01',
    { lrScheduler: 'cosineannealinglr', lrWarmupEpochs: 5, lrWarmupMethod: 'constant', lrWarmupDecay: 0.01 },
  ],
  ['exponential .97, 20 epochs', { lrScheduler: 'exponentiallr', lrGamma: 0.97, epochs: 20 }],
];

for (const [name, options] of cases)
  test(`schedule equals PyTorch's to 1e-9: ${name}`, () => {
    const expected = schedules[name];
    const settings = { ...base, ...options };
    assert.equal(expected.length, settings.epochs);
    expected.forEach((rate, epoch) => {
      assert.ok(Math.abs(learningRate(settings, epoch, 0, 10) - rate) < 1e-9, `epoch ${epoch}`);
    });
  });

test('one cycle rises from peak/25 to the peak and ends near zero', () => {
  const settings: ScheduleOptions = { ...base, lrScheduler: 'onecycle', lr: 0.05, epochs: 5 };
  const rates = Array.from({ length: 50 }, (_, i) => learningRate(settings, Math.floor(i / 10), i % 10, 10));
  // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.05, total_steps=50): first, peak at step 14, last
  assert.ok(Math.abs(rates[0] - 0.002) < 1e-12);
  assert.ok(Math.abs(rates[14] - 0.05) < 1e-12);
  assert.ok(Math.abs(rates[49] - 2e-7) < 1e-12);
});
