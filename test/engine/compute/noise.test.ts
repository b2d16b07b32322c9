/** Masks of dropout: the shares that they drop, and what they depend on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepMask } from '../../../src/engine/compute/programs/noise.ts';

const COUNT = 100_000;

test('a mask drops its share and keeps the mean', () => {
  for (const probability of [0.1, 0.5, 0.9]) {
    const mask = keepMask([1, 2], 3, COUNT, probability);
    const kept = Math.fround(1 / (1 - probability));
    assert.deepEqual([...new Set(mask)].sort(), [0, kept].sort());
    const dropped = mask.filter((value) => value === 0).length / COUNT;
    assert.ok(Math.abs(dropped - probability) < 0.005, `${dropped} of ${probability}`);
  }
});

test('seed, step and stream each give another mask, that agrees with the first by chance', () => {
  const first = keepMask([1, 2], 3, COUNT, 0.5);
  assert.deepEqual(keepMask([1, 2], 3, COUNT, 0.5), first);
  for (const [seed, step, stream] of [
    [2, 2, 3],
    [1, 3, 3],
    [1, 2, 4],
    [2, 1, 3],
  ]) {
    const other = keepMask([seed, step], stream, COUNT, 0.5);
    const share = other.filter((value, i) => value === first[i]).length / COUNT;
    assert.ok(Math.abs(share - 0.5) < 0.01, `${[seed, step, stream]}: ${share} agree`);
  }
  // Nor does it repeat itself one element, or one image of 32 × 32, further on.
  for (const shift of [1, 3072]) {
    const share = first.subarray(shift).filter((value, i) => value === first[i]).length / (COUNT - shift);
    assert.ok(Math.abs(share - 0.5) < 0.01, `${shift} further on: ${share} agree`);
  }
});
