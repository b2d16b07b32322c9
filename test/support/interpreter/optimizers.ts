/** Optimiser steps, written element by element after the algorithms in torch.optim's documentation. */

import { type Values, values } from './array.ts';
import type { KernelRule } from './kernels.ts';

/** Runs `step` on element i of every input and collects its results as the outputs. */
function elementwise(inputs: readonly Values[], outputs: number, step: (at: number[]) => number[]): Values[] {
  const [first] = inputs;
  const results = Array.from({ length: outputs }, () => values(first.shape));
  for (let i = 0; i < first.data.length; i++)
    step(inputs.map((x) => x.data[x.data.length === 1 ? 0 : i])).forEach((value, j) => {
      results[j].data[i] = value;
    });
  return results;
}

export const sgdStep: KernelRule<'sgdStep'> = ({ momentum, nesterov, weightDecay }, inputs) =>
  elementwise(inputs, inputs.length - 2, ([p, gradient, rate, velocity]) => {
    const g = gradient + weightDecay * p;
    if (velocity === undefined) return [p - rate * g];
    const v = momentum * velocity + g;
    return [p - rate * (nesterov ? g + momentum * v : v), v];
  });

export const adamWStep: KernelRule<'adamWStep'> = ({ beta1, beta2, eps, weightDecay }, inputs) =>
  elementwise(inputs, 3, ([p, g, rate, m0, v0, correction1, correction2]) => {
    const decayed = p * (1 - rate * weightDecay);
    const m = beta1 * m0 + (1 - beta1) * g;
    const v = beta2 * v0 + (1 - beta2) * g * g;
    return [decayed - (rate * (m / correction1)) / (Math.sqrt(v / correction2) + eps), m, v];
  });

export const rmsPropStep: KernelRule<'rmsPropStep'> = ({ alpha, eps, momentum, weightDecay }, inputs) =>
  elementwise(inputs, inputs.length - 2, ([p, gradient, rate, average, velocity]) => {
    const g = gradient + weightDecay * p;
    const square = alpha * average + (1 - alpha) * g * g;
    const direction = g / (Math.sqrt(square) + eps);
    if (velocity === undefined) return [p - rate * direction, square];
    const v = momentum * velocity + direction;
    return [p - rate * v, square, v];
  });
