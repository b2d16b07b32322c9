/** Runs kernel cases in ONNX Runtime, and compares values and gradients with the double-precision interpreter. */
import { test } from 'node:test';
import type { Executor } from '../../../../src/engine/compute/executor.ts';
import { interpret } from '../../../support/interpreter.ts';
import { assertClose, assertStates, asWeights, float32 } from '../compare-case.ts';
import { caseInputs, caseProgram, caseStates, type KernelCase } from '../kernel-cases.ts';

const TOLERANCE = 1e-4;

async function checkCase(executor: Executor, kernelCase: KernelCase): Promise<void> {
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

/** One test for each case. */
export function testCases(executor: Executor, cases: readonly KernelCase[]): void {
  for (const kernelCase of cases) test(`${executor.label}: ${kernelCase.name}`, () => checkCase(executor, kernelCase));
}
