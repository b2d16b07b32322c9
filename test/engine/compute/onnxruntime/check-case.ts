/** Runs kernel cases in ONNX Runtime, and compares values and gradients with the double-precision interpreter. */
import { test } from 'node:test';
import type { Executor } from '../../../../src/engine/compute/executor.ts';
import type { Program } from '../../../../src/engine/compute/programs/program.ts';
import { interpret } from '../../../support/interpreter.ts';
import { assertClose, assertStates, asWeights, float32 } from '../compare-case.ts';
import { caseInputs, caseProgram, caseStates, type KernelCase } from '../kernel-cases.ts';

const TOLERANCE = 1e-4;

/** The same with a state that is given the value it has: states that change are fed, and the model is written as that of a train step. */
function withChangingState(program: Program): Program {
  const node = program.nodes.findIndex(({ kind }) => kind === 'state');
  if (node < 0 || program.updates.length) return program;
  const { name } = program.nodes[node].attributes as { readonly name: string };
  return { ...program, updates: [{ state: name, value: { node, output: 0 } }] };
}

async function checkCase(executor: Executor, kernelCase: KernelCase, program: Program): Promise<void> {
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

/** For each case a test with constant states, and one with states that change. */
export function testCases(executor: Executor, cases: readonly KernelCase[]): void {
  for (const kernelCase of cases) {
    const program = caseProgram(kernelCase);
    test(`${executor.label}: ${kernelCase.name}`, () => checkCase(executor, kernelCase, program));
    const changing = withChangingState(program);
    if (changing !== program)
      test(`${executor.label}: ${kernelCase.name}, as in a train step`, () =>
        checkCase(executor, kernelCase, changing));
  }
}
