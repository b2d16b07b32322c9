import assert from 'node:assert/strict';
import { test } from 'node:test';
import { float32Tensor } from '../../../src/engine/graph/tensor.ts';
import { gatheredView, gatherTensor } from '../../../src/engine/pruning/rebuilding/gather.ts';

const matrix = () =>
  float32Tensor(
    [3, 4],
    Float32Array.from({ length: 12 }, (_, i) => i),
  );

test('a view has the shape at once and the entries of an eager gather when read, once', () => {
  const kept = [Int32Array.of(0, 2), Int32Array.of(1, 3)];
  const source = matrix();
  const view = gatheredView(source, kept);
  assert.deepEqual(view.shape, [2, 2]);
  // Copied when read, not when made.
  source.data[1] = 100;
  assert.deepEqual([...(view.data as Float32Array)], [100, 3, 9, 11]);
  assert.deepEqual([...(gatherTensor(source, kept).data as Float32Array)], [100, 3, 9, 11]);
  assert.equal(view.data, view.data);
});

test('a tensor that loses nothing is itself', () => {
  const source = matrix();
  assert.equal(gatheredView(source, [undefined, undefined]), source);
});
