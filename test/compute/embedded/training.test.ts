/** Train steps of the embedded executor against the interpreter, and how its sessions behave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEmbeddedExecutor } from '../../../src/compute/embedded/executor.ts';
import { loadTfjs } from '../../../src/compute/embedded/tfjs.ts';
import { optimizerInputs } from '../../../src/compute/optimizers.ts';
import {
  AVERAGE_PREFIX,
  averageProgram,
  gradientProgram,
  predictProgram,
  type TrainOptions,
  trainProgram,
} from '../../../src/compute/programs.ts';
import { squaredGradientProgram } from '../../../src/compute/squared-gradients.ts';
import { uniform } from '../../support/detfill.ts';
import { interpret, type Values, values } from '../../support/interpreter.ts';
import {
  asValues,
  batchValues,
  CLASSES,
  dataOf,
  difference,
  smallBatch,
  smallNetwork,
  smallWeights,
} from '../small-network.ts';

const STEPS = 3;
const BATCH = 4;
const LEARNING_RATE = 0.01;
const graph = smallNetwork();
const executor = await createEmbeddedExecutor();
const { tf } = await loadTfjs();

const base = {
  loss: { targets: 'labels' },
  weightDecay: ({ shape }) => (shape.length > 1 ? 0.05 : 0),
} as const satisfies Partial<TrainOptions>;

const settings: Readonly<Record<string, TrainOptions>> = {
  'SGD without momentum': { ...base, optimizer: { kind: 'sgd', momentum: 0 } },
  'SGD with Nesterov momentum, clipped': {
    ...base,
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true },
    clipNorm: 0.5,
  },
  AdamW: { ...base, optimizer: { kind: 'adamw' } },
  RMSprop: { ...base, optimizer: { kind: 'rmsprop', momentum: 0.9, eps: 0.0316, alpha: 0.9 } },
  'RMSprop without momentum': { ...base, optimizer: { kind: 'rmsprop' } },
  'soft distillation, label smoothing': {
    ...base,
    optimizer: { kind: 'sgd', momentum: 0.9 },
    loss: { targets: 'labels', labelSmoothing: 0.1 },
    distillation: { kind: 'soft', weight: 0.7, temperature: 3 },
  },
  'hard distillation': {
    ...base,
    optimizer: { kind: 'sgd', momentum: 0.9 },
    distillation: { kind: 'hard', weight: 0.5 },
  },
};

const sgd: TrainOptions = { ...base, optimizer: { kind: 'sgd', momentum: 0.9 } };

interface StepInputs extends Readonly<Record<string, Float32Array | Int32Array | number>> {
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly teacher: Float32Array;
  readonly seed: Int32Array;
}

function stepInputs({ optimizer }: TrainOptions, step: number): StepInputs {
  return {
    ...smallBatch(BATCH, `step ${step}`),
    teacher: Float32Array.from(uniform('teacher', BATCH * CLASSES, `step ${step}`), (u) => 6 * u - 3),
    seed: Int32Array.of(3, step),
    ...optimizerInputs(optimizer, LEARNING_RATE, step),
  };
}

function interpreterInputs(inputs: StepInputs): Record<string, Values> {
  const scalars = Object.entries(inputs).filter(([, value]) => typeof value === 'number');
  return {
    ...batchValues(inputs),
    teacher: values([BATCH, CLASSES], inputs.teacher),
    seed: values([2], inputs.seed),
    ...Object.fromEntries(scalars.map(([name, value]) => [name, values([], [value as number])])),
  };
}

for (const [name, options] of Object.entries(settings))
  test(`embedded, ${name}: ${STEPS} steps`, async () => {
    const tensors = tf.memory().numTensors;
    const train = trainProgram(graph, options);
    const session = await executor.open({ train });
    await session.assign(smallWeights(graph));
    const states = asValues(smallWeights(graph));
    let held = 0;
    for (let step = 1; step <= STEPS; step++) {
      const inputs = stepInputs(options, step);
      const actual = await session.run('train', inputs);
      const expected = interpret(train, interpreterInputs(inputs), states);
      for (const [output, value] of Object.entries(expected.outputs))
        assert.ok(difference(actual[output], value) < 1e-4, `${output} of step ${step}`);
      for (const [state, value] of expected.updates) states.set(state, value);
      const now = tf.memory().numTensors;
      if (step > 1) assert.equal(now, held, 'tensors after a step more');
      held = now;
    }
    const after = await session.read();
    for (const { name: state } of train.states) {
      const worst = difference(dataOf(after.get(state)), states.get(state) as Values);
      assert.ok(worst < 5e-4, `${state}: relative difference ${worst}`);
    }
    await session.dispose();
    assert.equal(tf.memory().numTensors, tensors, 'tensors after the session');
  });

test('the moving average follows weights and buffers, and predicts', async () => {
  const session = await executor.open({
    train: trainProgram(graph, sgd),
    average: averageProgram(graph),
    predict: predictProgram(graph),
    averaged: predictProgram(graph, { statePrefix: AVERAGE_PREFIX }),
  });
  await session.assign(smallWeights(graph));
  await session.run('average', { decay: 0 });
  const before = await session.read();
  await session.run('train', stepInputs(sgd, 1));
  await session.run('average', { decay: 0.75 });
  const after = await session.read();
  for (const { name, dtype } of graph.parameters) {
    if (dtype === 'int64') continue;
    const [old, fresh] = [before, after].map((weights) => dataOf(weights.get(name)));
    const expected = Float64Array.from(old, (w, i) => 0.75 * w + 0.25 * fresh[i]);
    const average = dataOf(after.get(`${AVERAGE_PREFIX}${name}`));
    assert.ok(difference(average, values([old.length], expected)) < 1e-6, name);
  }
  assert.equal(after.get('norm1.num_batches_tracked')?.data[0], 1n);
  const { images } = smallBatch(2);
  const differing = await session.run('averaged', { images });
  await session.run('average', { decay: 0 });
  const [plain, averaged] = [await session.run('predict', { images }), await session.run('averaged', { images })];
  assert.deepEqual(plain.logits, averaged.logits);
  assert.notDeepEqual(differing.logits, averaged.logits);
  await session.dispose();
});

test('gradients add up over batches and are reset by their prefix', async () => {
  const session = await executor.open({ gradients: gradientProgram(graph, { targets: 'labels', accumulate: 'sum' }) });
  await session.assign(smallWeights(graph));
  const read = async (): Promise<Float32Array> =>
    dataOf((await session.read(['gradient/fc1.weight'])).get('gradient/fc1.weight'));
  await session.run('gradients', { ...smallBatch(BATCH) });
  const once = await read();
  await session.run('gradients', { ...smallBatch(BATCH) });
  const twice = await read();
  assert.ok(once.some((value) => value !== 0));
  assert.deepEqual(
    twice,
    once.map((value) => 2 * value),
  );
  await session.reset('gradient/');
  assert.ok((await read()).every((value) => value === 0));
  await session.dispose();
});

test('squared gradients of single samples', async () => {
  const squares = squaredGradientProgram(graph, { targets: 'labels' });
  const session = await executor.open({ squares });
  await session.assign(smallWeights(graph));
  const batch = smallBatch(3);
  await session.run('squares', { ...batch });
  const { updates } = interpret(squares, batchValues(batch), asValues(smallWeights(graph)));
  const read = await session.read([...updates.keys()]);
  for (const [name, value] of updates) assert.ok(difference(dataOf(read.get(name)), value) < 1e-4, name);
  await session.dispose();
});

test('a resumed run is equal to the unbroken one, bit for bit', async () => {
  const options: TrainOptions = { ...base, optimizer: { kind: 'adamw' } };
  const programs = { train: trainProgram(graph, options) };
  const unbroken = await executor.open(programs);
  await unbroken.assign(smallWeights(graph));
  for (const step of [1, 2]) await unbroken.run('train', stepInputs(options, step));
  const saved = await unbroken.read();
  for (const step of [3, 4]) await unbroken.run('train', stepInputs(options, step));
  const resumed = await executor.open(programs);
  await resumed.assign(saved);
  for (const step of [3, 4]) await resumed.run('train', stepInputs(options, step));
  assert.deepEqual(await resumed.read(), await unbroken.read());
  await resumed.dispose();
  await unbroken.dispose();
});

test('requests run one after the other, a failing one frees what it made', async () => {
  const tensors = tf.memory().numTensors;
  const session = await executor.open({ train: trainProgram(graph, sgd), predict: predictProgram(graph) });
  await assert.rejects(session.run('predict', { ...smallBatch(2) }), /stem.weight has no value: it was not assigned/);
  assert.equal(tf.memory().numTensors, tensors + slots(), 'tensors after the failure');
  const results = await Promise.all([
    session.assign(smallWeights(graph)),
    session.run('predict', { ...smallBatch(2) }),
    session.run('train', stepInputs(sgd, 1)),
    session.run('predict', { ...smallBatch(2) }),
  ]);
  assert.notDeepEqual(results[1].logits, results[3].logits);
  await session.dispose();
  assert.equal(tf.memory().numTensors, tensors, 'tensors after the session');
});

/** States that have a value from the start: the momentum of every trainable parameter. */
const slots = (): number => graph.parameters.filter(({ trainable }) => trainable).length;

test('wrong inputs and states are named', async () => {
  const session = await executor.open({ predict: predictProgram(graph) });
  await assert.rejects(session.run('predict', {}), /input images \(float32 \[N, 8, 8, 3\]\) is missing/);
  await assert.rejects(session.run('predict', { images: new Float32Array(100) }), /do not make up a whole batch/);
  await assert.rejects(
    session.assign(new Map([['fc1.weight', { dtype: 'float32', shape: [3], data: new Float32Array(3) }]])),
    /fc1.weight is \[3\], the network takes \[12,8\]/,
  );
  await assert.rejects(session.read(['nothing']), /no program has a state nothing/);
  await session.dispose();
});
