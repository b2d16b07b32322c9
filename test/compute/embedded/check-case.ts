/** Runs kernel cases in the embedded executor, and compares values and gradients with the double-precision interpreter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEmbeddedExecutor } from '../../../src/compute/embedded/executor.ts';
import { loadTfjs, type TfjsOptions } from '../../../src/compute/embedded/tfjs.ts';
import { float32Tensor, type Weights } from '../../../src/graph/tensor.ts';
import { interpret, type Values } from '../../support/interpreter.ts';
import { caseInputs, caseProgram, caseStates, type KernelCase } from '../kernel-cases.ts';

const TOLERANCE = 1e-4;

const float32 = ({ data }: Values): Float32Array => Float32Array.from(data);
const asWeights = (states: ReadonlyMap<string, Values>): Weights =>
  new Map([...states].map(([name, value]) => [name, float32Tensor(value.shape, float32(value))]));

/** Differences are measured against the largest element. */
function assertClose(actual: ArrayLike<number>, expected: Values, what: string, tolerance = TOLERANCE): void {
  assert.equal(actual.length, expected.data.length, `${what}: length`);
  const scale = Math.max(1e-6, ...expected.data.map(Math.abs));
  expected.data.forEach((value, i) => {
    const difference = Math.abs(actual[i] - value);
    assert.ok(difference <= tolerance * scale, `${what}[${i}]: ${actual[i]}, should be ${value}`);
  });
}

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
  for (const [name, expected] of Object.entries(outputs)) assertClose(actual[name], expected, name);
  for (const [name, { data, shape }] of await session.read()) {
    assert.deepEqual(shape, states.get(name)?.shape);
    assertClose(data as Float32Array, states.get(name) as Values, name, 0);
  }
  assert.equal(tf.memory().numTensors, tensors + kernelCase.states.length, 'tensors left beside the states');
  await session.dispose();
  assert.equal(tf.memory().numTensors, tensors, 'tensors left after the session');
}

/** One test for each case. */
export function testCases(label: string, cases: readonly KernelCase[], options: TfjsOptions = {}): void {
  for (const kernelCase of cases) test(`${label}: ${kernelCase.name}`, () => checkCase(kernelCase, options));
}
