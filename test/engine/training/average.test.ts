/** The moving average as torch.optim.swa_utils.AveragedModel keeps it in the paper's loop. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { averageDecay, decayAtStep, updatesAfter } from '../../../src/engine/training/average.ts';

const base = {
  modelEma: true,
  modelEmaDecay: 0.999,
  modelEmaSteps: 2,
  batchSize: 32,
  epochs: 64,
  lrWarmupEpochs: 0,
};

test('the decay is adjusted for batch size, interval and epochs', () => {
  assert.ok(Math.abs(averageDecay(base) - (1 - 0.001 * ((32 * 2) / 64))) < 1e-12);
  assert.equal(averageDecay({ ...base, modelEmaDecay: 0.5, batchSize: 4096 }), 0);
});

/** train.py's lines, with one number for a weight: what the average is after every step of some epochs. */
function paperAverages(options: typeof base, epochs: number, steps: number): number[] {
  const decay = averageDecay(options);
  const averages: number[] = [];
  let average = 0;
  let averaged = 0;
  for (let epoch = 0; epoch < epochs; epoch++)
    for (let i = 0; i < steps; i++) {
      const weight = weightAt(epoch * steps + i);
      if (i % options.modelEmaSteps === 0) {
        average = averaged === 0 ? weight : decay * average + (1 - decay) * weight;
        averaged++;
        if (epoch < options.lrWarmupEpochs) averaged = 0;
      }
      averages.push(average);
    }
  return averages;
}

const weightAt = (step: number): number => Math.sin(step + 1);

function ourAverages(options: typeof base, epochs: number, steps: number): number[] {
  const averages: number[] = [];
  let [average, updates] = [0, 0];
  for (let epoch = 0; epoch < epochs; epoch++)
    for (let i = 0; i < steps; i++) {
      const decay = decayAtStep(options, i, updates);
      if (decay !== undefined) {
        average = decay * average + (1 - decay) * weightAt(epoch * steps + i);
        updates = updatesAfter(options, epoch, updates);
      }
      averages.push(average);
    }
  return averages;
}

for (const lrWarmupEpochs of [0, 1, 2])
  test(`${lrWarmupEpochs} warm-up epochs: copies until then, averages after`, () => {
    const options = { ...base, lrWarmupEpochs };
    assert.deepEqual(ourAverages(options, 4, 5), paperAverages(options, 4, 5));
  });

test('without --model-ema there is none', () => {
  assert.equal(decayAtStep({ ...base, modelEma: false }, 0, 0), undefined);
});
