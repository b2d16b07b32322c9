/** Every kernel in ONNX Runtime against the double-precision interpreter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loweringRules } from '../../../../src/engine/compute/onnxruntime/kernel-rules.ts';
import { createOnnxRuntimeExecutor } from '../../../../src/engine/compute/onnxruntime/onnxruntime-executor.ts';
import { caseProgram, kernelCases } from '../kernel-cases.ts';
import { moreCases } from '../more-cases.ts';
import { testCases } from './check-case.ts';

testCases(await createOnnxRuntimeExecutor({ threads: 2 }), [...kernelCases, ...moreCases]);

test('every kernel is in a case', () => {
  const others = ['lerp', 'globalNorm', 'clipFactor', 'sgdStep', 'adamWStep', 'rmsPropStep', 'patches', 'inverseRoot'];
  const seen = new Set(kernelCases.flatMap((c) => caseProgram(c).nodes.map(({ kind }) => kind as string)));
  const missing = Object.keys(loweringRules).filter((kind) => !seen.has(kind) && !others.includes(kind));
  assert.deepEqual(missing, []);
});
