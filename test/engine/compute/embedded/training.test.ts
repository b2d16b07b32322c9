/** Train steps of the embedded executor, and how its sessions behave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEmbeddedExecutor } from '../../../../src/engine/compute/embedded/embedded-executor.ts';
import { loadTfjs } from '../../../../src/engine/compute/embedded/tfjs.ts';
import { predictProgram, trainProgram } from '../../../../src/engine/compute/programs/programs.ts';
import { smallBatch, smallWeights } from '../small-network.ts';
import { graph, sgd, stepInputs, testTraining } from '../training-contract.ts';

const executor = await createEmbeddedExecutor();
const { tf } = await loadTfjs();
const tensors = (): number => tf.memory().numTensors;

testTraining('embedded', () => executor, { tensors });

/** States that have a value from the start: the momentum of every trainable parameter. */
const slots = (): number => graph.parameters.filter(({ trainable }) => trainable).length;

test('requests run one after the other, a failing one frees what it made', async () => {
  const before = tensors();
  const session = await executor.open({ train: trainProgram(graph, sgd), predict: predictProgram(graph) });
  await assert.rejects(session.run('predict', { ...smallBatch(2) }), /stem.weight has no value: it was not assigned/);
  assert.equal(tensors(), before + slots(), 'tensors after the failure');
  const results = await Promise.all([
    session.assign(smallWeights(graph)),
    session.run('predict', { ...smallBatch(2) }),
    session.run('train', stepInputs(sgd, 1)),
    session.run('predict', { ...smallBatch(2) }),
  ]);
  assert.notDeepEqual(results[1].logits, results[3].logits);
  await session.dispose();
  assert.equal(tensors(), before, 'tensors after the session');
});
