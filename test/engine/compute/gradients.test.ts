/** Every gradient rule against central differences, in double precision. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gradientRules } from '../../../src/engine/compute/programs/gradient-rules.ts';
import { interpret, type Values } from '../../support/interpreter.ts';
import { caseInputs, caseProgram, caseStates, type KernelCase, kernelCases } from './kernel-cases.ts';

const STEP = 1e-6;
const TOLERANCE = 1e-6;
/** Parameters whose derivatives are compared one by one; of larger states every n-th. */
const MOST = 150;

function numericalDerivative(kernelCase: KernelCase, state: string, index: number): number {
  const program = caseProgram(kernelCase);
  const at = (step: number): number => {
    const states = caseStates(kernelCase);
    (states.get(state) as Values).data[index] += step;
    return interpret(program, caseInputs(), states).outputs.loss.data[0];
  };
  return (at(STEP) - at(-STEP)) / (2 * STEP);
}

for (const kernelCase of kernelCases)
  test(`gradient of ${kernelCase.name}`, () => {
    const states = caseStates(kernelCase);
    const { outputs } = interpret(caseProgram(kernelCase), caseInputs(), states);
    kernelCase.states.forEach((_, i) => {
      const derivative = outputs[`d${i}`].data;
      const scale = Math.max(1, ...derivative.map(Math.abs));
      const every = Math.ceil(derivative.length / MOST);
      for (let j = 0; j < derivative.length; j += every) {
        const expected = numericalDerivative(kernelCase, `x${i}`, j);
        const difference = Math.abs(derivative[j] - expected);
        assert.ok(difference <= TOLERANCE * scale, `x${i}[${j}]: ${derivative[j]}, by differences ${expected}`);
      }
    });
  });

test('every differentiable kernel is in a case', () => {
  const seen = new Set(kernelCases.flatMap((c) => caseProgram(c).nodes.map((node) => node.kind)));
  assert.deepEqual(
    Object.keys(gradientRules).filter((kind) => !seen.has(kind as never)),
    [],
  );
});
