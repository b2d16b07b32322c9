/** What platforms without a native library compute with, the WebAssembly build: every kernel, and train steps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOnnxRuntimeExecutor } from '../../../../src/engine/compute/onnxruntime/onnxruntime-executor.ts';
import { kernelCases } from '../kernel-cases.ts';
import { testTraining } from '../training-contract.ts';
import { testCases } from './check-case.ts';

process.env['ESPALIER_ONNXRUNTIME'] = 'wasm';
const executor = await createOnnxRuntimeExecutor({ threads: 2 });

test('the label says so', () => assert.match(executor.label, /^ONNX Runtime \d+\.\d+, WebAssembly$/));
testCases(executor, kernelCases);
testTraining('WebAssembly', () => executor);
