/** How many channels blocked convolutions take at once is asked of ONNX Runtime itself: not every processor has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findChannelBlock } from '../../../../src/engine/compute/onnxruntime/blocked-convolution.ts';
import { loadOnnxRuntime, type OnnxRuntime } from '../../../../src/engine/compute/onnxruntime/load-onnxruntime.ts';

test('the native library says a power of two beyond 4, or that it has no blocks', async () => {
  const block = await findChannelBlock(await loadOnnxRuntime(1));
  assert.ok(block === undefined || block === 8 || block === 16, `${block}`);
});

test('a library without such operators, which refuses the model, computes without blocks', async () => {
  const { ort } = await loadOnnxRuntime(1);
  let asked = 0;
  const refusing = {
    ...ort,
    InferenceSession: {
      create: async () => {
        asked += 1;
        throw new Error('Could not find an implementation for ReorderInput(1)');
      },
    },
  } as unknown as OnnxRuntime['ort'];
  assert.equal(await findChannelBlock({ ort: refusing, kind: 'native' }), undefined);
  assert.equal(asked, 1);
});

test('the WebAssembly build is not asked', async () => {
  const { ort } = await loadOnnxRuntime(1);
  const refusing = {
    ...ort,
    InferenceSession: { create: () => assert.fail('asked') },
  } as unknown as OnnxRuntime['ort'];
  assert.equal(await findChannelBlock({ ort: refusing, kind: 'wasm' }), undefined);
});
