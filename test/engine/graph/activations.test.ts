/** Every activation against PyTorch's figures: its value and its derivative, from the value that its record says is saved. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ACTIVATION_FUNCTIONS,
  type ActivationFunction,
  activate,
  activationDerivative,
  activations,
} from '../../../src/engine/graph/activations.ts';
import { onDoubles } from '../../support/interpreter/elementwise.ts';

const ARGUMENTS = [-6.5, -2.5, -0.7, 0.3, 1.9, 4.5, 7.2];

/** torch 2.14 in float64: f(x), and x.grad of f(x).sum(). */
const torch: { readonly [F in ActivationFunction]: { readonly [of in 'values' | 'derivatives']: readonly number[] } } =
  {
    relu: { values: [0, 0, 0, 0.3, 1.9, 4.5, 7.2], derivatives: [0, 0, 0, 1, 1, 1, 1] },
    relu6: { values: [0, 0, 0, 0.3, 1.9, 4.5, 6], derivatives: [0, 0, 0, 1, 1, 1, 0] },
    leakyRelu: { values: [-0.065, -0.025, -0.007, 0.3, 1.9, 4.5, 7.2], derivatives: [0.01, 0.01, 0.01, 1, 1, 1, 1] },
    gelu: {
      values: [-2.6103991e-10, -0.015524163, -0.16937456, 0.18537343, 1.8454385, 4.4999847, 7.2],
      derivatives: [-1.6950518e-9, -0.037611086, 0.023385899, 0.73232777, 1.0959535, 1.0000685, 1],
    },
    geluTanh: {
      values: [-6.2783112e-13, -0.015084266, -0.16942987, 0.18537092, 1.8454512, 4.4999949, 7.2],
      derivatives: [-6.5835287e-12, -0.037951576, 0.023642781, 0.73229545, 1.0967818, 1.0000293, 1],
    },
    silu: {
      values: [-0.0097576847, -0.18964545, -0.23226856, 0.17233276, 1.6527939, 4.4505588, 7.1946286],
      derivatives: [-0.0082418543, -0.099401111, 0.17661322, 0.64778001, 1.084934, 1.0379111, 1.0046214],
    },
    sigmoid: {
      values: [0.0015011823, 0.07585818, 0.33181223, 0.57444252, 0.86989153, 0.98901306, 0.99925397],
      derivatives: [0.0014989287, 0.070103717, 0.22171287, 0.24445831, 0.11318026, 0.01086623, 0.00074547227],
    },
    tanh: {
      values: [-0.99999548, -0.9866143, -0.60436778, 0.29131261, 0.95623746, 0.99975321, 0.99999889],
      derivatives: [9.0412768e-6, 0.026592227, 0.63473959, 0.91513696, 0.085609924, 0.0004935174, 2.229559e-6],
    },
    hardSwish: {
      values: [-0, -0.20833333, -0.26833333, 0.165, 1.5516667, 4.5, 7.2],
      derivatives: [0, -0.33333333, 0.26666667, 0.6, 1.1333333, 1, 1],
    },
    hardSigmoid: {
      values: [0, 0.083333333, 0.38333333, 0.55, 0.81666667, 1, 1],
      derivatives: [0, 0.16666667, 0.16666667, 0.16666667, 0.16666667, 0, 0],
    },
    elu: {
      values: [-0.99849656, -0.917915, -0.5034147, 0.3, 1.9, 4.5, 7.2],
      derivatives: [0.0015034392, 0.082084999, 0.4965853, 1, 1, 1, 1],
    },
    softplus: {
      values: [0.0015023102, 0.078889734, 0.40318605, 0.85435524, 2.0393868, 4.5110477, 7.2007463],
      derivatives: [0.0015011823, 0.07585818, 0.33181223, 0.57444252, 0.86989153, 0.98901306, 0.99925397],
    },
    mish: {
      values: [-0.0097650087, -0.1968162, -0.26787023, 0.20800137, 1.8367436, 4.4989137, 7.199992],
      derivatives: [-0.0082553536, -0.10974357, 0.18441607, 0.7828273, 1.0749276, 1.001907, 1.0000149],
    },
    exp: {
      values: [0.0015034392, 0.082084999, 0.4965853, 1.3498588, 6.6858944, 90.017131, 1339.4308],
      derivatives: [0.0015034392, 0.082084999, 0.4965853, 1.3498588, 6.6858944, 90.017131, 1339.4308],
    },
    log: {
      values: [Number.NaN, Number.NaN, Number.NaN, -1.2039728, 0.64185389, 1.5040774, 1.974081],
      derivatives: [-0.15384615, -0.4, -1.4285714, 3.3333333, 0.52631579, 0.22222222, 0.13888889],
    },
    sqrt: {
      values: [Number.NaN, Number.NaN, Number.NaN, 0.54772256, 1.3784049, 2.1213203, 2.6832816],
      derivatives: [Number.NaN, Number.NaN, Number.NaN, 0.91287093, 0.36273813, 0.23570226, 0.186339],
    },
    reciprocal: {
      values: [-0.15384615, -0.4, -1.4285714, 3.3333333, 0.52631579, 0.22222222, 0.13888889],
      derivatives: [-0.023668639, -0.16, -2.0408163, -11.111111, -0.27700831, -0.049382716, -0.019290123],
    },
    sin: {
      values: [-0.21511999, -0.59847214, -0.64421769, 0.29552021, 0.94630009, -0.97753012, 0.79366786],
      derivatives: [0.97658763, -0.80114362, 0.76484219, 0.95533649, -0.32328957, -0.2107958, 0.60835131],
    },
    cos: {
      values: [0.97658763, -0.80114362, 0.76484219, 0.95533649, -0.32328957, -0.2107958, 0.60835131],
      derivatives: [0.21511999, 0.59847214, 0.64421769, -0.29552021, -0.94630009, 0.97753012, -0.79366786],
    },
    abs: { values: [6.5, 2.5, 0.7, 0.3, 1.9, 4.5, 7.2], derivatives: [-1, -1, -1, 1, 1, 1, 1] },
  };

const isNear = (found: number, expected: number, what: string): void =>
  assert.ok(
    (Number.isNaN(expected) && Number.isNaN(found)) ||
      Math.abs(found - expected) <= 1e-7 * Math.max(1, Math.abs(expected)),
    `${what}: ${found}, not ${expected}`,
  );

for (const name of ACTIVATION_FUNCTIONS)
  test(`${name} and its derivative are PyTorch's`, () => {
    const attributes = { function: name };
    ARGUMENTS.forEach((x, i) => {
      const y = activate(onDoubles, attributes, x);
      isNear(y, torch[name].values[i], `${name}(${x})`);
      const saved = activations[name].derivativeOf === 'output' ? y : x;
      isNear(activationDerivative(onDoubles, attributes, saved), torch[name].derivatives[i], `derivative at ${x}`);
    });
  });

test('a slope given takes the place of the usual one', () => {
  assert.equal(activate(onDoubles, { function: 'leakyRelu', slope: 0.2 }, -3), -3 * 0.2);
  assert.equal(activationDerivative(onDoubles, { function: 'leakyRelu', slope: 0.2 }, -0.6), 0.2);
});
