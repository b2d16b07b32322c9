/** Every kernel in TensorFlow, in float32 and in float64, against the double-precision interpreter. */
import { test } from 'node:test';
import { installedRuntime, loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import { interpret, type Values } from '../../support/interpreter.ts';
import { assertClose, assertStates, asWeights, float32 } from './compare-case.ts';
import { caseInputs, caseProgram, caseStates, type KernelCase, kernelCases } from './kernel-cases.ts';
import { moreCases } from './more-cases.ts';

/** Of what is computed in float32, and of what is only fed and fetched in it. */
const TOLERANCE = { float32: 1e-4, float64: 1e-6 } as const;
const skip = !installedRuntime() && 'the TensorFlow runtime is not installed';

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
  await assertStates(session, states);
  await session.dispose();
}

for (const kernelCase of [...kernelCases, ...moreCases])
  for (const precision of ['float32', 'float64'] as const)
    test(`TensorFlow, ${precision}: ${kernelCase.name}`, { skip }, () => check(kernelCase, precision));
