import assert from 'node:assert/strict';
import type { Tensor, Weights } from '../../../src/engine/graph/tensor.ts';

const bytesOf = ({ data }: Tensor): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** Asserts that two sets of weights are equal to the last bit; assert.deepEqual takes seconds for millions of numbers. */
export function assertSameWeights(found: Weights, expected: Weights): void {
  assert.deepEqual([...found.keys()], [...expected.keys()]);
  for (const [name, tensor] of expected) {
    const other = found.get(name) as Tensor;
    assert.deepEqual([other.dtype, ...other.shape], [tensor.dtype, ...tensor.shape], name);
    assert.ok(bytesOf(other).equals(bytesOf(tensor)), `${name} has other numbers`);
  }
}
