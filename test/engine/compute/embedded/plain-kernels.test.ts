/** The last resort, tfjs in plain JavaScript: every kernel, and a training step of a network with a layer of every kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEmbeddedExecutor } from '../../../../src/engine/compute/embedded/embedded-executor.ts';
import { loadTfjs } from '../../../../src/engine/compute/embedded/tfjs.ts';
import { optimizerInputs } from '../../../../src/engine/compute/programs/optimizers.ts';
import { trainProgram } from '../../../../src/engine/compute/programs/programs.ts';
import { interpret, values } from '../../../support/interpreter.ts';
import { kernelCases } from '../kernel-cases.ts';
import { asValues, batchValues, dataOf, difference, smallBatch, smallNetwork, smallWeights } from '../small-network.ts';
import { testCases } from './check-case.ts';
import { moreCases } from './more-cases.ts';

testCases('plain JavaScript', [...kernelCases, ...moreCases], { kernels: 'plain' });

test('plain JavaScript: a step of AdamW', async () => {
  const executor = await createEmbeddedExecutor({ kernels: 'plain' });
  assert.equal(executor.label, 'embedded kernels, JavaScript');
  const { tf } = await loadTfjs();
  const graph = smallNetwork();
  const train = trainProgram(graph, {
    optimizer: { kind: 'adamw' },
    loss: { targets: 'labels' },
    weightDecay: () => 0.05,
    clipNorm: 1,
  });
  const session = await executor.open({ train });
  await session.assign(smallWeights(graph));
  const scalars = optimizerInputs({ kind: 'adamw' }, 0.01, 1);
  const batch = smallBatch(4);
  const actual = await session.run('train', { ...batch, seed: Int32Array.of(3, 1), ...scalars });
  const inputs = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, values([], [value])]));
  const states = asValues(smallWeights(graph));
  const expected = interpret(train, { ...batchValues(batch), seed: values([2], [3, 1]), ...inputs }, states);
  for (const [name, value] of Object.entries(expected.outputs)) assert.ok(difference(actual[name], value) < 1e-4, name);
  const after = await session.read();
  for (const [name, value] of expected.updates) assert.ok(difference(dataOf(after.get(name)), value) < 5e-4, name);
  await session.dispose();
  assert.equal(tf.memory().numTensors, 0);
});
