/** Every kernel in ONNX Runtime against the double-precision interpreter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loweringRules } from '../../../../src/engine/compute/onnxruntime/kernel-rules.ts';
import { createOnnxRuntimeExecutor } from '../../../../src/engine/compute/onnxruntime/onnxruntime-executor.ts';
import { interpret } from '../../../support/interpreter.ts';
import { assertClose, assertStates, asWeights, float32 } from '../compare-case.ts';
import { caseInputs, caseProgram, caseStates, type KernelCase, kernelCases } from '../kernel-cases.ts';
import { moreCases } from '../more-cases.ts';

const TOLERANCE = 1e-4;
const executor = await createOnnxRuntimeExecutor({ threads: 2 });

async function checkCase(kernelCase: KernelCase): Promise<void> {
  const program = caseProgram(kernelCase);
  const states = caseStates(kernelCase);
  const session = await executor.open({ case: program });
  await session.assign(asWeights(states));
  const { images, seed } = caseInputs();
  const actual = await session.run('case', { images: float32(images), seed: Int32Array.from(seed.data) });
  const { outputs } = interpret(program, caseInputs(), states);
  for (const [name, expected] of Object.entries(outputs)) assertClose(actual[name], expected, name, TOLERANCE);
  await assertStates(session, states);
  await session.dispose();
}

for (const kernelCase of [...kernelCases, ...moreCases])
  test(`ONNX Runtime: ${kernelCase.name}`, () => checkCase(kernelCase));

test('every kernel is in a case', () => {
  const others = ['lerp', 'globalNorm', 'clipFactor', 'sgdStep', 'adamWStep', 'rmsPropStep', 'patches', 'inverseRoot'];
  const seen = new Set(kernelCases.flatMap((c) => caseProgram(c).nodes.map(({ kind }) => kind as string)));
  const missing = Object.keys(loweringRules).filter((kind) => !seen.has(kind) && !others.includes(kind));
  assert.deepEqual(missing, []);
});
