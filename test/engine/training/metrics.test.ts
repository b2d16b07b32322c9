import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsSum } from '../../../src/engine/training/metrics.ts';

test('top-1, top-5 and loss over two batches', () => {
  const sum = new MetricsSum();
  // Six classes: right, second place, last place.
  sum.add(Float32Array.of(9, 1, 1, 1, 1, 1, 9, 8, 1, 1, 1, 1), Int32Array.of(0, 1));
  sum.add(Float32Array.of(5, 4, 3, 2, 1, 0), Int32Array.of(5));
  const { top1, top5, loss, images } = sum.result;
  assert.equal(images, 3);
  assert.equal(top1, 1 / 3);
  assert.equal(top5, 2 / 3);
  const entropy = (row: number[], label: number) => Math.log(row.reduce((s, v) => s + Math.exp(v), 0)) - row[label];
  const expected = entropy([9, 1, 1, 1, 1, 1], 0) + entropy([9, 8, 1, 1, 1, 1], 1) + entropy([5, 4, 3, 2, 1, 0], 5);
  assert.ok(Math.abs(loss - expected / 3) < 1e-12);
});

test('ties go to the lower class and NaN is never right', () => {
  const sum = new MetricsSum();
  sum.add(Float32Array.of(1, 1), Int32Array.of(1));
  sum.add(Float32Array.of(Number.NaN, Number.NaN), Int32Array.of(0));
  assert.equal(sum.result.correct, 0);
});

test('of images of some classes, top-1 among these too', () => {
  const sum = new MetricsSum([1, 3]);
  // Wrong among four, right among two; wrong among both; the lower of two equal ones.
  sum.add(Float32Array.of(9, 2, 1, 1, 0, 5, 9, 4, 0, 3, 0, 3), Int32Array.of(1, 3, 1));
  assert.equal(sum.result.top1, 1 / 3);
  assert.deepEqual(sum.result.among, { classes: 2, top1: 2 / 3 });
  assert.equal(new MetricsSum().result.among, undefined);
});
