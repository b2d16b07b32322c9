/** Which executor is made. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import { installedRuntime, loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';

const skip = !installedRuntime() && 'the TensorFlow runtime is not installed';

test('TensorFlow where it is installed, else ONNX Runtime; by name what was asked for', async () => {
  assert.equal((await createExecutor()).backend, installedRuntime() ? 'tensorflow' : 'embedded');
  const { backend, label } = await createExecutor({ backend: 'embedded', threads: 1 });
  assert.equal(backend, 'embedded');
  assert.match(label, /^ONNX Runtime \d/);
});

test('double precision, the instrument of the comparison with PyTorch, is said in the label', { skip }, () => {
  assert.match(tensorFlowExecutor(loadTensorFlow(), { float64: true }).label, /float64/);
});
