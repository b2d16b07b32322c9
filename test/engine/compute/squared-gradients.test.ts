/** Squared gradients of single samples: all at once against one run a sample. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gradientName, gradientProgram } from '../../../src/engine/compute/programs/programs.ts';
import { squaredGradientProgram } from '../../../src/engine/compute/programs/squared-gradients.ts';
import { installedRuntime, loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import { interpret, type Values, values } from '../../support/interpreter.ts';
import { asValues, batchValues, dataOf, difference, smallBatch, smallNetwork, smallWeights } from './small-network.ts';

const SAMPLES = 3;
const graph = smallNetwork();
const batch = smallBatch(SAMPLES);
const squares = squaredGradientProgram(graph, { targets: 'labels' });

function oneByOne(): Map<string, Values> {
  const program = gradientProgram(graph, { targets: 'labels' });
  const states = asValues(smallWeights(graph));
  const sums = new Map<string, Values>();
  const { images, labels } = batchValues(batch);
  const size = images.data.length / SAMPLES;
  for (let i = 0; i < SAMPLES; i++) {
    const one = {
      images: values([1, ...images.shape.slice(1)], images.data.subarray(i * size, (i + 1) * size)),
      labels: values([1], [labels.data[i]]),
    };
    for (const [name, { shape, data }] of Object.entries(interpret(program, one, states).outputs)) {
      const sum = sums.get(name) ?? values(shape);
      data.forEach((value, j) => {
        sum.data[j] += value * value;
      });
      sums.set(name, sum);
    }
  }
  return sums;
}

test('squared gradients equal those of single samples', () => {
  const { updates } = interpret(squares, batchValues(batch), asValues(smallWeights(graph)));
  const expected = oneByOne();
  const layers = graph.parameters.filter(({ trainable }) => trainable).map(({ name }) => gradientName(name));
  assert.deepEqual([...updates.keys()].sort(), layers.sort());
  for (const [name, { data }] of updates) {
    const worst = difference(data, expected.get(name) as Values);
    assert.ok(worst < 1e-10, `${name}: relative difference ${worst}`);
  }
});

test('squared gradients in TensorFlow', {
  skip: !installedRuntime() && 'the TensorFlow runtime is not installed',
}, async () => {
  const session = await tensorFlowExecutor(loadTensorFlow()).open({ squares });
  await session.assign(smallWeights(graph));
  await session.run('squares', { ...batch });
  await session.run('squares', { ...batch });
  const { updates } = interpret(squares, batchValues(batch), asValues(smallWeights(graph)));
  const read = await session.read([...updates.keys()]);
  for (const [name, { shape, data }] of updates) {
    const twice = values(
      shape,
      data.map((value) => 2 * value),
    );
    const worst = difference(dataOf(read.get(name)), twice);
    assert.ok(worst < 1e-4, `${name}: relative difference ${worst}`);
  }
  await session.dispose();
});

test('what is not the weight or bias of one layer cannot be squared in a batch', () => {
  assert.throws(
    () => squaredGradientProgram(graph, { targets: 'labels', parameters: ['norm1.running_mean'] }),
    /norm1.running_mean is not the weight or bias of one layer/,
  );
});
