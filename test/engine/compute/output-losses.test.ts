/** Losses over raw outputs: against their formulas, and their gradients against finite differences, in double precision. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviationInput, meanInput, precisionInput } from '../../../src/engine/compute/programs/output-losses.ts';
import {
  gradientName,
  gradientProgram,
  predictProgram,
  type ScoringLoss,
} from '../../../src/engine/compute/programs/programs.ts';
import { squaredGradientProgram } from '../../../src/engine/compute/programs/squared-gradients.ts';
import { interpret, type Values, values } from '../../support/interpreter.ts';
import { asValues, batchValues, CLASSES, smallBatch, smallNetwork, smallWeights } from './small-network.ts';

const graph = smallNetwork();
const batch = batchValues(smallBatch(3));
const channel = (of: (c: number) => number): Values =>
  values(
    [1, CLASSES],
    Array.from({ length: CLASSES }, (_, c) => of(c)),
  );
const inputs = {
  images: batch.images,
  seed: values([2], [3, 4]),
  [meanInput('logits')]: channel((c) => 0.1 * c),
  [precisionInput('logits')]: channel((c) => 1 + c),
  [deviationInput('logits')]: channel((c) => Math.sqrt(1 + c)),
};
const states = (): Map<string, Values> => asValues(smallWeights(graph));

test('the energy is half the mean square of the standardised outputs', () => {
  const { logits } = interpret(predictProgram(graph), { images: batch.images }, states()).outputs;
  const { losses } = interpret(gradientProgram(graph, { targets: 'energy' }), inputs, states()).outputs;
  for (let image = 0; image < 3; image++) {
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

test('squares of the probe are those of single images', () => {
  const whole = interpret(squaredGradientProgram(graph, { targets: 'probe' }), inputs, states()).updates;
  for (const [name, { data }] of whole)
    assert.ok(
      data.every((value) => value >= 0),
      name,
    );
  assert.ok(whole.size > 5);
});
