/** What every executor does with a train step: each test runs it beside the double-precision interpreter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Executor } from '../../../src/engine/compute/executor.ts';
import { type OptimizerOptions, optimizerInputs, slotNames } from '../../../src/engine/compute/programs/optimizers.ts';
import {
  AVERAGE_PREFIX,
  averageProgram,
  gradientProgram,
  predictProgram,
  type TrainOptions,
  trainProgram,
} from '../../../src/engine/compute/programs/programs.ts';
import { squaredGradientProgram } from '../../../src/engine/compute/programs/squared-gradients.ts';
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
} from './small-network.ts';

const STEPS = 3;
const BATCH = 4;
const LEARNING_RATE = 0.01;
export const graph = smallNetwork();

const nesterov: OptimizerOptions = { kind: 'sgd', momentum: 0.9, nesterov: true };
const base = {
  loss: { targets: 'labels' },
  weightDecay: ({ shape }) => (shape.length > 1 ? 0.05 : 0),
} as const satisfies Partial<TrainOptions>;

export const sgd: TrainOptions = { ...base, optimizer: nesterov };

const settings: Readonly<Record<string, TrainOptions>> = {
  'SGD without momentum': { ...base, optimizer: { kind: 'sgd', momentum: 0 } },
  'SGD with momentum': { ...base, optimizer: { kind: 'sgd', momentum: 0.9 } },
  'SGD with Nesterov momentum, clipped': { ...sgd, clipNorm: 0.5 },
  AdamW: { ...base, optimizer: { kind: 'adamw' } },
  RMSprop: { ...base, optimizer: { kind: 'rmsprop', momentum: 0.9, eps: 0.0316, alpha: 0.9 } },
  'RMSprop without momentum': { ...base, optimizer: { kind: 'rmsprop' } },
  'label smoothing': { ...sgd, loss: { targets: 'labels', labelSmoothing: 0.1 } },
  'label smoothing and soft targets': { ...sgd, loss: { targets: 'soft', labelSmoothing: 0.1 } },
  'hard distillation': { ...sgd, distillation: { kind: 'hard', weight: 0.5 } },
  'soft distillation': { ...sgd, distillation: { kind: 'soft', weight: 0.7, temperature: 3 } },
  'frozen statistics': { ...sgd, training: false },
  'some parameters': { ...sgd, parameters: ['fc1.weight', 'norm3.bias', 'depthwise.weight'] },
};

interface StepInputs extends Readonly<Record<string, Float32Array | Int32Array | number>> {
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly targets: Float32Array;
  readonly teacher: Float32Array;
  readonly seed: Int32Array;
}

/** Inputs of a step, for an executor. */
export function stepInputs({ optimizer }: TrainOptions, step: number): StepInputs {
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
    ...optimizerInputs(optimizer, LEARNING_RATE, step),
  };
}

function interpreterInputs(inputs: StepInputs): Record<string, Values> {
  const scalars = Object.entries(inputs).filter(([, value]) => typeof value === 'number');
  return {
    ...batchValues(inputs),
    targets: values([BATCH, CLASSES], inputs.targets),
    teacher: values([BATCH, CLASSES], inputs.teacher),
    seed: values([2], inputs.seed),
    ...Object.fromEntries(scalars.map(([name, value]) => [name, values([], [value as number])])),
  };
}

/** Steps of one setting: outputs of each, and every state after the last. */
async function checkSteps(executor: Executor, options: TrainOptions, tensors?: () => number): Promise<void> {
  const before = tensors?.();
  const train = trainProgram(graph, options);
  const session = await executor.open({ train });
  await session.assign(smallWeights(graph));
  const states = asValues(smallWeights(graph));
  let held: number | undefined;
  for (let step = 1; step <= STEPS; step++) {
    const inputs = stepInputs(options, step);
    const actual = await session.run('train', inputs);
    const expected = interpret(train, interpreterInputs(inputs), states);
    for (const [output, value] of Object.entries(expected.outputs))
      assert.ok(difference(actual[output], value) < 1e-4, `${output} of step ${step}`);
    for (const [state, value] of expected.updates) states.set(state, value);
    if (step > 1) assert.equal(tensors?.(), held, 'tensors after a step more');
    held = tensors?.();
  }
  const after = await session.read();
  for (const { name: state } of train.states) {
    const worst = difference(dataOf(after.get(state)), states.get(state) as Values);
    assert.ok(worst < 5e-4, `${state}: relative difference ${worst}`);
  }
  await session.dispose();
  assert.equal(tensors?.(), before, 'tensors after the session');
}

async function checkAverage(executor: Executor): Promise<void> {
  const session = await executor.open({
    train: trainProgram(graph, sgd),
    average: averageProgram(graph),
    predict: predictProgram(graph),
    averaged: predictProgram(graph, { statePrefix: AVERAGE_PREFIX }),
  });
  await session.assign(smallWeights(graph));
  await session.run('average', { decay: 0 });
  const before = await session.read();
  await session.run('train', stepInputs(sgd, 1), BATCH);
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
  // With the average copied once more, both sets of weights give the same logits.
  const { images } = smallBatch(2);
  const differing = await session.run('averaged', { images });
  await session.run('average', { decay: 0 });
  const [plain, averaged] = [await session.run('predict', { images }), await session.run('averaged', { images })];
  assert.deepEqual(plain.logits, averaged.logits);
  assert.notDeepEqual(differing.logits, averaged.logits);
  await session.dispose();
}

async function checkAddedGradients(executor: Executor): Promise<void> {
  const session = await executor.open({ gradients: gradientProgram(graph, { targets: 'labels', accumulate: 'sum' }) });
  await session.assign(smallWeights(graph));
  const read = async (): Promise<Float32Array> =>
    dataOf((await session.read(['gradient/fc1.weight'])).get('gradient/fc1.weight'));
  await session.run('gradients', { ...smallBatch(BATCH) });
  const once = await read();
  await session.run('gradients', { ...smallBatch(BATCH) });
  const twice = await read();
  assert.ok(once.some((value) => value !== 0));
  const doubled = values(
    [once.length],
    Float64Array.from(once, (value) => 2 * value),
  );
  assert.ok(difference(twice, doubled) < 1e-6);
  await session.reset('gradient/');
  assert.ok((await read()).every((value) => value === 0));
  await session.dispose();
}

async function checkSquaredGradients(executor: Executor): Promise<void> {
  const squares = squaredGradientProgram(graph, { targets: 'labels' });
  const session = await executor.open({ squares });
  await session.assign(smallWeights(graph));
  const batch = smallBatch(3);
  await session.run('squares', { ...batch });
  const { updates } = interpret(squares, batchValues(batch), asValues(smallWeights(graph)));
  const read = await session.read([...updates.keys()]);
  for (const [name, value] of updates) assert.ok(difference(dataOf(read.get(name)), value) < 1e-4, name);
  await session.dispose();
}

async function checkResumed(executor: Executor): Promise<void> {
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
  assert.ok(slotNames(options.optimizer, 'fc1.weight').every((slot) => saved.has(slot)));
  await resumed.dispose();
  await unbroken.dispose();
}

async function checkReset(executor: Executor): Promise<void> {
  const session = await executor.open({ train: trainProgram(graph, sgd) });
  await session.assign(smallWeights(graph));
  await session.run('train', stepInputs(sgd, 1));
  const before = await session.read(['fc1.weight']);
  await session.reset('optimizer/');
  const [slot] = slotNames(nesterov, 'fc1.weight');
  const after = await session.read([slot, 'fc1.weight']);
  assert.ok(dataOf(after.get(slot)).every((value) => value === 0));
  assert.deepEqual(after.get('fc1.weight'), before.get('fc1.weight'));
  await session.dispose();
}

async function checkRefusals(executor: Executor): Promise<void> {
  const session = await executor.open({ predict: predictProgram(graph) });
  await assert.rejects(session.run('predict', {}), /input images \(float32 \[N, 8, 8, 3\]\) is missing/);
  await assert.rejects(session.run('predict', { images: new Float32Array(100) }), /do not make up a whole batch/);
  await assert.rejects(
    session.assign(new Map([['fc1.weight', { dtype: 'float32', shape: [3], data: new Float32Array(3) }]])),
    /fc1.weight is \[3\], the network takes \[12,8\]/,
  );
  await assert.rejects(session.read(['nothing']), /no program has a state nothing/);
  await session.dispose();
}

const checks: Readonly<Record<string, (executor: Executor) => Promise<void>>> = {
  'the moving average follows weights and buffers, and predicts': checkAverage,
  'gradients add up over batches and are reset by their prefix': checkAddedGradients,
  'squared gradients of single samples': checkSquaredGradients,
  'a resumed run is equal to the unbroken one, bit for bit': checkResumed,
  'reset puts slots back and leaves weights': checkReset,
  'wrong inputs and states are named': checkRefusals,
};

interface ContractOptions {
  readonly skip?: string | false;
  /** How many tensors are held, where that can be told. */
  readonly tensors?: () => number;
}

/** One test for each setting of a train step, and for each thing that a session does. */
export function testTraining(label: string, open: () => Executor, options: ContractOptions = {}): void {
  const { skip = false, tensors } = options;
  for (const [name, setting] of Object.entries(settings))
    test(`${label}, ${name}: ${STEPS} steps`, { skip }, () => checkSteps(open(), setting, tensors));
  for (const [name, check] of Object.entries(checks)) test(`${label}: ${name}`, { skip }, () => check(open()));
}
