/** Train steps of every optimiser in TensorFlow against the interpreter: weights, slots, statistics, averages, dropping. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OptimizerOptions, optimizerInputs, slotNames } from '../../src/compute/optimizers.ts';
import {
  AVERAGE_PREFIX,
  averageProgram,
  predictProgram,
  type TrainOptions,
  trainProgram,
} from '../../src/compute/programs.ts';
import { installedRuntime, loadTensorFlow } from '../../src/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../src/compute/tensorflow/executor.ts';
import { uniform } from '../support/detfill.ts';
import { interpret, type Values, values } from '../support/interpreter.ts';
import {
  asValues,
  batchValues,
  CLASSES,
  dataOf,
  difference,
  smallBatch,
  smallNetwork,
  smallWeights,
} from './small-network.ts';

const skip = !installedRuntime() && 'the TensorFlow runtime is not installed';
const STEPS = 3;
const BATCH = 4;
const LEARNING_RATE = 0.01;
const graph = smallNetwork();

const sgd: OptimizerOptions = { kind: 'sgd', momentum: 0.9, nesterov: true };
const base = {
  loss: { targets: 'labels' },
  weightDecay: ({ shape }) => (shape.length > 1 ? 0.05 : 0),
} as const satisfies Partial<TrainOptions>;

const settings: Readonly<Record<string, TrainOptions>> = {
  'SGD without momentum': { ...base, optimizer: { kind: 'sgd', momentum: 0 } },
  'SGD with momentum': { ...base, optimizer: { kind: 'sgd', momentum: 0.9 } },
  'SGD with Nesterov momentum, clipped': { ...base, optimizer: sgd, clipNorm: 0.5 },
  AdamW: { ...base, optimizer: { kind: 'adamw' } },
  RMSprop: { ...base, optimizer: { kind: 'rmsprop', momentum: 0.9, eps: 0.0316, alpha: 0.9 } },
  'RMSprop without momentum': { ...base, optimizer: { kind: 'rmsprop' } },
  'label smoothing and soft targets': { ...base, optimizer: sgd, loss: { targets: 'soft', labelSmoothing: 0.1 } },
  'hard distillation': { ...base, optimizer: sgd, distillation: { kind: 'hard', weight: 0.5 } },
  'soft distillation': { ...base, optimizer: sgd, distillation: { kind: 'soft', weight: 0.7, temperature: 3 } },
  'frozen statistics': { ...base, optimizer: sgd, training: false },
  'some parameters': { ...base, optimizer: sgd, parameters: ['fc1.weight', 'norm3.bias', 'depthwise.weight'] },
};

/** Inputs of a step, for the executor. */
function stepInputs(options: TrainOptions, step: number): Record<string, Float32Array | Int32Array | number> {
  const rows = uniform('targets', BATCH * CLASSES, `step ${step}`);
  const targets = Float32Array.from(rows, (u, i) => {
    const row = rows.subarray(i - (i % CLASSES), i - (i % CLASSES) + CLASSES);
    return u / row.reduce((a, b) => a + b);
  });
  return {
    ...smallBatch(BATCH, `step ${step}`),
    targets,
    teacher: Float32Array.from(uniform('teacher', BATCH * CLASSES, `step ${step}`), (u) => 6 * u - 3),
    seed: Int32Array.of(3, step),
    ...optimizerInputs(options.optimizer, LEARNING_RATE, step),
  };
}

function interpreterInputs(inputs: Record<string, Float32Array | Int32Array | number>): Record<string, Values> {
  const matrix = (data: Float32Array): Values => values([BATCH, CLASSES], data);
  const scalars = Object.entries(inputs).filter(([, value]) => typeof value === 'number');
  return {
    ...batchValues({ images: inputs.images as Float32Array, labels: inputs.labels as Int32Array }),
    targets: matrix(inputs.targets as Float32Array),
    teacher: matrix(inputs.teacher as Float32Array),
    seed: values([2], inputs.seed as Int32Array),
    ...Object.fromEntries(scalars.map(([name, value]) => [name, values([], [value as number])])),
  };
}

for (const [name, options] of Object.entries(settings))
  test(`${name}: ${STEPS} steps`, { skip }, async () => {
    const train = trainProgram(graph, options);
    const session = await tensorFlowExecutor(loadTensorFlow()).open({ train });
    await session.assign(smallWeights(graph));
    const states = asValues(smallWeights(graph));
    for (let step = 1; step <= STEPS; step++) {
      const inputs = stepInputs(options, step);
      const actual = await session.run('train', inputs);
      const expected = interpret(train, interpreterInputs(inputs), states);
      for (const [output, value] of Object.entries(expected.outputs))
        assert.ok(difference(actual[output], value) < 1e-4, `${output} of step ${step}`);
      for (const [state, value] of expected.updates) states.set(state, value);
    }
    const after = await session.read();
    for (const { name: state } of train.states) {
      const worst = difference(dataOf(after.get(state)), states.get(state) as Values);
      assert.ok(worst < 5e-4, `${state}: relative difference ${worst}`);
    }
    await session.dispose();
  });

test('the moving average follows weights and buffers, and predicts', { skip }, async () => {
  const options: TrainOptions = { ...base, optimizer: sgd };
  const session = await tensorFlowExecutor(loadTensorFlow()).open({
    train: trainProgram(graph, options),
    average: averageProgram(graph),
    predict: predictProgram(graph),
    averaged: predictProgram(graph, { statePrefix: AVERAGE_PREFIX }),
  });
  await session.assign(smallWeights(graph));
  await session.run('average', { decay: 0 });
  const before = await session.read();
  await session.run('train', stepInputs(options, 1), BATCH);
  await session.run('average', { decay: 0.75 });
  const after = await session.read();
  for (const { name, dtype } of graph.parameters) {
    if (dtype === 'int64') continue;
    const [old, fresh] = [before, after].map((weights) => dataOf(weights.get(name)));
    const expected = values(
      [old.length],
      Float64Array.from(old, (w, i) => 0.75 * w + 0.25 * fresh[i]),
    );
    assert.ok(difference(dataOf(after.get(`${AVERAGE_PREFIX}${name}`)), expected) < 1e-6, name);
  }
  assert.equal(after.get('norm1.num_batches_tracked')?.data[0], 1n);
  // With the average copied once more, both sets of weights give the same logits.
  const { images } = smallBatch(2);
  const differing = await session.run('averaged', { images });
  await session.run('average', { decay: 0 });
  const [plain, averaged] = [await session.run('predict', { images }), await session.run('averaged', { images })];
  assert.deepEqual(plain.logits, averaged.logits);
  assert.notDeepEqual(differing.logits, averaged.logits);
  await session.dispose();
});

test('a resumed run is equal to the unbroken one, bit for bit', { skip }, async () => {
  const options: TrainOptions = { ...base, optimizer: { kind: 'adamw' } };
  const programs = { train: trainProgram(graph, options) };
  const executor = tensorFlowExecutor(loadTensorFlow());
  const unbroken = await executor.open(programs);
  await unbroken.assign(smallWeights(graph));
  for (const step of [1, 2]) await unbroken.run('train', stepInputs(options, step));
  const saved = await unbroken.read();
  for (const step of [3, 4]) await unbroken.run('train', stepInputs(options, step));
  const resumed = await executor.open(programs);
  await resumed.assign(saved);
  for (const step of [3, 4]) await resumed.run('train', stepInputs(options, step));
  assert.deepEqual(await resumed.read(), await unbroken.read());
  assert.ok(slotNames(options.optimizer, 'fc1.weight').every((slot) => saved.has(slot)));
  await resumed.dispose();
  await unbroken.dispose();
});

test('reset puts slots back and leaves weights', { skip }, async () => {
  const options: TrainOptions = { ...base, optimizer: sgd };
  const session = await tensorFlowExecutor(loadTensorFlow()).open({ train: trainProgram(graph, options) });
  await session.assign(smallWeights(graph));
  await session.run('train', stepInputs(options, 1));
  const before = await session.read(['fc1.weight']);
  await session.reset('optimizer/');
  const [slot] = slotNames(sgd, 'fc1.weight');
  const after = await session.read([slot, 'fc1.weight']);
  assert.ok(dataOf(after.get(slot)).every((value) => value === 0));
  assert.deepEqual(after.get('fc1.weight'), before.get('fc1.weight'));
  await session.dispose();
});

test('wrong inputs and states are named', { skip }, async () => {
  const session = await tensorFlowExecutor(loadTensorFlow()).open({ predict: predictProgram(graph) });
  await assert.rejects(session.run('predict', {}), /input images \(float32 \[N, 8, 8, 3\]\) is missing/);
  await assert.rejects(session.run('predict', { images: new Float32Array(100) }), /do not make up a whole batch/);
  await assert.rejects(
    session.assign(new Map([['fc1.weight', { dtype: 'float32', shape: [3], data: new Float32Array(3) }]])),
    /fc1.weight is \[3\], the network takes \[12,8\]/,
  );
  await assert.rejects(session.read(['nothing']), /no program has a state nothing/);
  await session.dispose();
});
