/** Every kernel in TensorFlow, in float32 and in float64, against the double-precision interpreter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installedRuntime, loadTensorFlow } from '../../src/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../src/compute/tensorflow/executor.ts';
import { float32Tensor, type Weights } from '../../src/graph/tensor.ts';
import { interpret, type Values } from '../support/interpreter.ts';
import { caseInputs, caseProgram, caseStates, type KernelCase, kernelCases } from './kernel-cases.ts';

/** Of what is computed in float32, and of what is only fed and fetched in it. */
const TOLERANCE = { float32: 1e-4, float64: 1e-6 } as const;
const skip = !installedRuntime() && 'the TensorFlow runtime is not installed';

const float32 = ({ data }: Values): Float32Array => Float32Array.from(data);
const asWeights = (states: ReadonlyMap<string, Values>): Weights =>
  new Map([...states].map(([name, value]) => [name, float32Tensor(value.shape, float32(value))]));

/** Differences are measured against the largest element. */
function assertClose(actual: ArrayLike<number>, expected: Values, what: string, tolerance: number): void {
  assert.equal(actual.length, expected.data.length, `${what}: length`);
  const scale = Math.max(1e-6, ...expected.data.map(Math.abs));
  expected.data.forEach((value, i) => {
    const difference = Math.abs(actual[i] - value);
    assert.ok(difference <= tolerance * scale, `${what}[${i}]: ${actual[i]}, should be ${value}`);
  });
}

/** The numbers that TensorFlow is fed, so that rounding them is no difference. */
const rounded = (value: Values): Values => ({ ...value, data: Float64Array.from(value.data, Math.fround) });
const roundedAll = <K>(all: Iterable<readonly [K, Values]>): readonly (readonly [K, Values])[] =>
  [...all].map(([key, value]) => [key, rounded(value)]);

async function check(kernelCase: KernelCase, precision: keyof typeof TOLERANCE): Promise<void> {
  const program = caseProgram(kernelCase);
  const states = new Map(roundedAll(caseStates(kernelCase)));
  const executor = tensorFlowExecutor(loadTensorFlow(), { float64: precision === 'float64' });
  const session = await executor.open({ case: program });
  await session.assign(asWeights(states));
  const { images, seed } = caseInputs();
  const actual = await session.run('case', { images: float32(images), seed: Int32Array.from(seed.data) });
  const { outputs } = interpret(program, Object.fromEntries(roundedAll(Object.entries(caseInputs()))), states);
  for (const [name, expected] of Object.entries(outputs))
    assertClose(actual[name], expected, name, TOLERANCE[precision]);
  for (const [name, { data, shape }] of await session.read()) {
    assert.deepEqual(shape, states.get(name)?.shape);
    assertClose(data as Float32Array, states.get(name) as Values, name, 0);
  }
  await session.dispose();
}

for (const kernelCase of kernelCases)
  for (const precision of ['float32', 'float64'] as const)
    test(`TensorFlow, ${precision}: ${kernelCase.name}`, { skip }, () => check(kernelCase, precision));
