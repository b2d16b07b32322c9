import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  resizedForGraph,
  resizePositionEmbedding,
  resizeRelativePositionBias,
} from '../../../src/engine/architectures/resize-embeddings.ts';
import { float32Tensor } from '../../../src/engine/graph/tensor.ts';

const pattern = (shape: readonly number[]) => {
  const tensor = float32Tensor(shape);
  for (let i = 0; i < tensor.data.length; i++) tensor.data[i] = (((i * 37) % 19) - 9) / 4;
  return tensor;
};

const close = (found: ArrayLike<number>, expected: readonly number[]) => {
  assert.equal(found.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) < 2e-5, `entry ${i} is ${found[i]}, not ${value}`);
  });
};

// Figures of timm 1.0.9: resample_abs_pos_embed, resize_rel_pos_bias_table.
test('a position embedding shrinks as in timm, tokens before it untouched', () => {
  close(
    resizePositionEmbedding(pattern([1, 18, 2]), 11, 2).data,
    [
      -2.25, 2.25, 2.0, 1.75, 0.75343, 0.50343, 0.0984, -0.1516, -0.55664, -0.80664, 0.78003, 0.53003, 0.125, -0.125,
      -0.53003, -0.78003, 0.80664, 0.55664, 0.1516, -0.0984, -0.50343, -0.75343,
    ],
  );
});

test('a position embedding grows as in timm', () => {
  const { shape, data } = resizePositionEmbedding(pattern([1, 18, 2]), 27, 2);
  assert.deepEqual(shape, [1, 27, 2]);
  close(
    data.subarray(0, 14),
    [-2.25, 2.25, 2.0, 1.75, 1.60817, 1.35817, 1.2625, 1.0125, 0.83654, 0.58654, 0.41058, 0.16058, 0.0649, -0.1851],
  );
});

test('a relative position bias table shrinks and grows as in timm', () => {
  close(
    resizeRelativePositionBias(pattern([49, 1]), 25).data,
    [
      0.4802, 0.23267, -0.01733, -0.26733, -0.51485, -1.25248, -1.5, -1.75, -2.0, -2.24752, 1.74752, 1.5, 1.25, 1.0,
      0.75248, -0.00248, -0.25, -0.5, -0.75, -0.99752, -1.73515, -1.98267, -2.23267, 2.22029, 1.97277,
    ],
  );
  close(
    resizeRelativePositionBias(pattern([49, 1]), 81).data.subarray(0, 18),
    [
      -2.25, 0.40139, 2.1919, 2.0, 1.75, 1.5, 1.3081, 1.1473, 1.0, -0.48241, 0.52, 1.1608, 0.9689, 0.7189, 0.4689,
      0.27701, 0.1162, -0.0311,
    ],
  );
});

test('only position embeddings of another size are resized', () => {
  assert.equal(resizedForGraph('fc.weight', pattern([10, 4]), [12, 4]), undefined);
  assert.equal(resizedForGraph('pos_embed', pattern([1, 17, 4]), [1, 17, 4]), undefined);
  assert.equal(resizedForGraph('pos_embed', pattern([1, 17, 4]), [1, 10, 6]), undefined);
  assert.deepEqual(resizedForGraph('pos_embed', pattern([1, 17, 4]), [1, 10, 4])?.shape, [1, 10, 4]);
  assert.deepEqual(
    resizedForGraph('layers.0.blocks.0.attn.relative_position_bias_table', pattern([169, 3]), [121, 3])?.shape,
    [121, 3],
  );
});
