/** Losses over raw outputs: against their formulas, and their gradients against finite differences, in double precision. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepMask } from '../../../src/engine/compute/programs/noise.ts';
import { deviationInput, meanInput, precisionInput } from '../../../src/engine/compute/programs/output-losses.ts';
import {
  gradientName,
  gradientProgram,
  predictProgram,
  type ScoringLoss,
} from '../../../src/engine/compute/programs/programs.ts';
import { squaredGradientProgram } from '../../../src/engine/compute/programs/squared-gradients.ts';
import { interpret, type Values, values } from '../../support/interpreter.ts';
import { asValues, batchValues, CLASSES, difference, smallBatch, smallNetwork, smallWeights } from './small-network.ts';

const IMAGES = 3;
const SEED = [3, 4];
const graph = smallNetwork();
const batch = batchValues(smallBatch(IMAGES));
const channel = (of: (c: number) => number): Values =>
  values(
    [1, CLASSES],
    Array.from({ length: CLASSES }, (_, c) => of(c)),
  );
const inputs = {
  images: batch.images,
  seed: values([2], SEED),
  [meanInput('logits')]: channel((c) => 0.1 * c),
  [precisionInput('logits')]: channel((c) => 1 + c),
  [deviationInput('logits')]: channel((c) => Math.sqrt(1 + c)),
};
const states = (): Map<string, Values> => asValues(smallWeights(graph));
/** ±1 for each class of each image: what the probe draws. */
const signs = keepMask(SEED, 0, IMAGES * CLASSES, 0.5).map((kept) => kept - 1);

test('the energy is half the mean square of the standardised outputs', () => {
  const { logits } = interpret(predictProgram(graph), { images: batch.images }, states()).outputs;
  const { losses } = interpret(gradientProgram(graph, { targets: 'energy' }), inputs, states()).outputs;
  for (let image = 0; image < IMAGES; image++) {
    let energy = 0;
    for (let c = 0; c < CLASSES; c++)
      energy += (0.5 * (1 + c) * (logits.data[image * CLASSES + c] - 0.1 * c) ** 2) / CLASSES;
    assert.ok(Math.abs(losses.data[image] - energy) < 1e-6 * energy, `${losses.data[image]} ${energy}`);
  }
});

const kinds: readonly ScoringLoss[] = [{ targets: 'energy' }, { targets: 'probe' }];
for (const loss of kinds)
  test(`the gradient of the ${loss.targets} is that of finite differences`, () => {
    const program = gradientProgram(graph, loss);
    const found = interpret(program, inputs, states()).outputs;
    for (const name of ['pointwise.weight', 'fc1.bias', 'head.weight']) {
      const step = 1e-5;
      const lossAt = (sign: number): number => {
        const moved = states();
        const tensor = moved.get(name) as Values;
        tensor.data[1] += sign * step;
        return interpret(program, inputs, moved).outputs.loss.data[0];
      };
      const numeric = (lossAt(1) - lossAt(-1)) / (2 * step);
      const exact = found[gradientName(name)].data[1];
      assert.ok(Math.abs(numeric - exact) < 1e-6 * Math.max(1e-3, Math.abs(exact)), `${name}: ${exact}, ${numeric}`);
    }
  });

test('the probe is the outputs over their deviations, times random signs, over the root of their number', () => {
  assert.deepEqual([...new Set(signs)].sort(), [-1, 1]);
  const { logits } = interpret(predictProgram(graph), { images: batch.images }, states()).outputs;
  const { losses } = interpret(gradientProgram(graph, { targets: 'probe' }), inputs, states()).outputs;
  for (let image = 0; image < IMAGES; image++) {
    let probe = 0;
    for (let c = 0; c < CLASSES; c++) {
      const at = image * CLASSES + c;
      probe += (logits.data[at] * inputs[deviationInput('logits')].data[c] * signs[at]) / Math.sqrt(CLASSES);
    }
    assert.ok(Math.abs(losses.data[image] - probe) < 1e-6 * Math.abs(probe), `${losses.data[image]} ${probe}`);
  }
});

/** Σ g² of runs of one image each; the signs that an image has in the batch are put into its deviations. */
function probesOneByOne(): Map<string, Values> {
  const program = gradientProgram(graph, { targets: 'probe' });
  const size = batch.images.data.length / IMAGES;
  const sums = new Map<string, Values>();
  for (let image = 0; image < IMAGES; image++) {
    const deviation = channel((c) => Math.sqrt(1 + c) * signs[c] * signs[image * CLASSES + c]);
    const pixels = batch.images.data.subarray(image * size, (image + 1) * size);
    const one = {
      ...inputs,
      images: values([1, ...batch.images.shape.slice(1)], pixels),
      [deviationInput('logits')]: deviation,
    };
    for (const [name, { shape, data }] of Object.entries(interpret(program, one, states()).outputs)) {
      const sum = sums.get(name) ?? values(shape);
      data.forEach((g, i) => {
        sum.data[i] += g * g;
      });
      sums.set(name, sum);
    }
  }
  return sums;
}

test('squares of the probe are those of single images', () => {
  const whole = interpret(squaredGradientProgram(graph, { targets: 'probe' }), inputs, states()).updates;
  const expected = probesOneByOne();
  assert.ok(whole.size > 5);
  for (const [name, { data }] of whole) {
    const worst = difference(data, expected.get(name) as Values);
    assert.ok(worst < 1e-10, `${name}: relative difference ${worst}`);
  }
});
