/** Which executor is made, and what it says when it cannot be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import { installedRuntime } from '../../../src/engine/compute/runtime/binding.ts';

const skip = !installedRuntime() && 'the TensorFlow runtime is not installed';

test('double precision is said in the label', { skip }, async () => {
  const { backend, label } = await createExecutor({ float64: true });
  assert.equal(backend, 'tensorflow');
  assert.match(label, /float64/);
});

test('ONNX Runtime has no double precision here, and says what has', async () => {
  await assert.rejects(createExecutor({ backend: 'embedded', float64: true }), /--float64 needs TensorFlow/);
});
