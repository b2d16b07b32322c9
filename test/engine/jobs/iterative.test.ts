import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagDefaults } from '../../../src/common/flags.ts';
import { type IterativeRequest, requestOfStep } from '../../../src/engine/jobs/iterative.ts';
import { trainingFlags } from '../../../src/engine/training/training-options.ts';

const request = (prune: Partial<IterativeRequest['prune']>, steps: number): IterativeRequest => ({
  prune: { score: { criterion: 'l2' }, options: {}, ...prune },
  steps,
  training: flagDefaults(trainingFlags),
  dataPath: 'images',
  folder: 'run',
});

test('targets of the steps fall by one factor and end at the target', () => {
  const macs = [1, 2, 3].map((step) => Number(requestOfStep(request({ target: '12.5%' }, 3), 8e9, step).target));
  assert.deepEqual(macs, [4e9, 2e9, 1e9]);
});

test('ratios of the steps leave together what one ratio would', () => {
  const { options } = requestOfStep(request({ options: { ratio: 0.75, headRatio: 0.19 } }, 2), 8e9, 1);
  assert.ok(Math.abs((1 - (options.ratio ?? 0)) ** 2 - 0.25) < 1e-12);
  assert.ok(Math.abs((options.headRatio ?? 0) - 0.1) < 1e-12);
  assert.equal(options.headDimRatio, undefined);
});
