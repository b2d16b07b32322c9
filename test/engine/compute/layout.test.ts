/** Orders of dimensions: which reshapes need no data to move. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  movesData,
  NHWC,
  permutationBetween,
  reshapedOrder,
  transposedOrder,
} from '../../../src/engine/compute/tensorflow/data-layout.ts';

test('a transpose only changes the order', () => {
  // [N, H, W, C] as they lie, seen as [N, C, H, W].
  assert.deepEqual(transposedOrder([0, 1, 2, 3], [0, 3, 1, 2]), NHWC);
  assert.deepEqual(permutationBetween([0, 1, 2, 3], NHWC), [0, 2, 3, 1]);
});

const cases: readonly [
  string,
  readonly number[],
  readonly number[],
  readonly number[],
  readonly number[] | undefined,
][] = [
  ['plain', [-1, 6, 4], [0, 1, 2], [-1, 24], [0, 1]],
  ['pixels merged, channels last', [-1, 8, 4, 4], NHWC, [-1, 8, 16], [0, 2, 1]],
  ['pixels split, channels last', [-1, 8, 16], [0, 2, 1], [-1, 8, 4, 4], NHWC],
  ['channels split, channels last', [-1, 8, 4, 4], NHWC, [-1, 2, 4, 4, 4], [0, 3, 4, 1, 2]],
  ['channels and pixels merged, channels last', [-1, 8, 4, 4], NHWC, [-1, 128], undefined],
  ['one pixel: nothing to reorder', [-1, 8, 1, 1], NHWC, [-1, 8], [0, 1]],
  ['sizes of 1 put in', [3, 4], [1, 0], [1, 3, 1, 4], [0, 3, 1, 2]],
  ['windows into the batch', [-1, 2, 2, 9, 5], [0, 1, 2, 3, 4], [-4, 9, 5], [0, 1, 2]],
  ['windows out of the batch', [-4, 9, 5], [0, 1, 2], [-1, 2, 2, 9, 5], [0, 1, 2, 3, 4]],
  ['windows of rows that are not together', [-1, 2, 3, 2, 3, 5], [0, 1, 3, 2, 4, 5], [-1, 6, 6, 5], undefined],
];

for (const [name, from, order, to, expected] of cases)
  test(`reshape: ${name}`, () => {
    assert.deepEqual(reshapedOrder(from, order, to), expected);
  });

test('dimensions of size 1 move for nothing', () => {
  assert.equal(movesData([1, 5, 1, 1], [0, 1, 2, 3], NHWC), false);
  assert.equal(movesData([2, 5, 3, 1], [0, 1, 2, 3], NHWC), true);
});
