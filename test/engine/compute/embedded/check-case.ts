/** Runs kernel cases in the embedded executor, and compares values and gradients with the double-precision interpreter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEmbeddedExecutor } from '../../../../src/engine/compute/embedded/embedded-executor.ts';
import { loadTfjs, type TfjsOptions } from '../../../../src/engine/compute/embedded/tfjs.ts';
import { interpret } from '../../../support/interpreter.ts';
import { assertClose, assertStates, asWeights, float32 } from '../compare-case.ts';
import { caseInputs, caseProgram, caseStates, type KernelCase } from '../kernel-cases.ts';

const TOLERANCE = 1e-4;

async function checkCase(kernelCase: KernelCase, options: TfjsOptions): Promise<void> {
  const { tf } = await loadTfjs(options);
  const tensors = tf.memory().numTensors;
  const program = caseProgram(kernelCase);
  const states = caseStates(kernelCase);
  const session = await (await createEmbeddedExecutor(options)).open({ case: program });
  await session.assign(asWeights(states));
  const { images, seed } = caseInputs();
  const actual = await session.run('case', { images: float32(images), seed: Int32Array.from(seed.data) });
  const { outputs } = interpret(program, caseInputs(), states);
  for (const [name, expected] of Object.entries(outputs)) assertClose(actual[name], expected, name, TOLERANCE);
  await assertStates(session, states);
  assert.equal(tf.memory().numTensors, tensors + kernelCase.states.length, 'tensors left beside the states');
  await session.dispose();
  assert.equal(tf.memory().numTensors, tensors, 'tensors left after the session');
}

/** One test for each case. */
export function testCases(label: string, cases: readonly KernelCase[], options: TfjsOptions = {}): void {
  for (const kernelCase of cases) test(`${label}: ${kernelCase.name}`, () => checkCase(kernelCase, options));
}
