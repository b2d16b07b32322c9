/** Train steps in ONNX Runtime, and how its sessions behave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOnnxRuntimeExecutor } from '../../../../src/engine/compute/onnxruntime/onnxruntime-executor.ts';
import { predictProgram, trainProgram } from '../../../../src/engine/compute/programs/programs.ts';
import { smallBatch, smallWeights } from '../small-network.ts';
import { graph, sgd, stepInputs, testTraining } from '../training-contract.ts';

const executor = await createOnnxRuntimeExecutor({ threads: 2 });

testTraining('ONNX Runtime', () => executor);

test('requests run one after the other, and go on after a failing one', async () => {
  const session = await executor.open({ train: trainProgram(graph, sgd), predict: predictProgram(graph) });
  await assert.rejects(session.run('predict', { ...smallBatch(2) }), /stem.weight has no value: it was not assigned/);
  const results = await Promise.all([
    session.assign(smallWeights(graph)),
    session.run('predict', { ...smallBatch(2) }),
    session.run('train', stepInputs(sgd, 1)),
    session.run('predict', { ...smallBatch(2) }),
  ]);
  assert.notDeepEqual(results[1].logits, results[3].logits);
  await session.dispose();
});

test('what was read or assigned stays as it is while the states move on', async () => {
  const session = await executor.open({ train: trainProgram(graph, sgd) });
  const weights = smallWeights(graph);
  const original = structuredClone(weights);
  await session.assign(weights);
  const read = await session.read();
  for (const step of [1, 2, 3]) await session.run('train', stepInputs(sgd, step));
  assert.deepEqual(weights, original);
  for (const [name, tensor] of original) assert.deepEqual(read.get(name), tensor);
  await session.dispose();
});
