/** ONNX operators for losses and optimisers. Integers are int64 inside the graph. */
import type { KernelLowering, LoweringRule } from './kernel-lowering.ts';

export const oneHot: LoweringRule<'oneHot'> = (c, { attributes: { classes, on, off } }, [labels]) => {
  const values = c.graph.constant([2], Float32Array.of(off, on));
  return [c.op('OneHot', [labels.name, c.graph.ints([classes]), values], { axis: -1 })];
};

export const argMax: LoweringRule<'argMax'> = (c, _, [x]) => [c.op('ArgMax', [x.name], { axis: -1, keepdims: 0 })];

export const crossEntropy: LoweringRule<'crossEntropy'> = (c, _, [logits, targets]) => {
  const log = c.op('LogSoftmax', [logits.name], { axis: 1 });
  const loss = c.op('Neg', [c.sum(c.multiply(targets.name, log), [1], false)]);
  return [loss, c.subtract(c.op('Exp', [log]), targets.name)];
};

export const globalNorm: LoweringRule<'globalNorm'> = (c, _, inputs) => {
  const squares = inputs.map((x) => c.op('ReduceSumSquare', [x.name], { keepdims: 0 }));
  return [c.op('Sqrt', [squares.length === 1 ? squares[0] : c.op('Sum', squares)])];
};

export const clipFactor: LoweringRule<'clipFactor'> = (c, { attributes: { limit } }, [norm]) => {
  const ratio = c.op('Div', [c.graph.float(limit), c.add(norm.name, 1e-6)]);
  return [c.op('Min', [ratio, c.graph.float(1)])];
};

// ---- optimisers

/** g + weightDecay · parameter. */
const decayed = (c: KernelLowering, parameter: string, gradient: string, weightDecay: number): string =>
  weightDecay ? c.add(gradient, c.multiply(parameter, weightDecay)) : gradient;

export const sgdStep: LoweringRule<'sgdStep'> = (c, { attributes }, inputs) => {
  const { momentum, nesterov, weightDecay } = attributes;
  const [parameter, gradient, rate, velocity] = inputs.map((x) => x.name);
  const g = decayed(c, parameter, gradient, weightDecay);
  if (velocity === undefined) return [c.subtract(parameter, c.multiply(g, rate))];
  const v = c.add(c.multiply(velocity, momentum), g);
  const step = nesterov ? c.add(g, c.multiply(v, momentum)) : v;
  return [c.subtract(parameter, c.multiply(step, rate)), v];
};

export const adamWStep: LoweringRule<'adamWStep'> = (c, { attributes }, inputs) => {
  const { beta1, beta2, eps, weightDecay } = attributes;
  const [parameter, g, rate, first, second, c1, c2] = inputs.map((x) => x.name);
  const decay = (): string => c.multiply(parameter, c.subtract(1, c.multiply(rate, weightDecay)));
  const m = c.add(c.multiply(first, beta1), c.multiply(g, 1 - beta1));
  const v = c.add(c.multiply(second, beta2), c.multiply(c.multiply(g, g), 1 - beta2));
  const deviation = c.add(c.divide(c.op('Sqrt', [v]), c.op('Sqrt', [c2])), eps);
  const step = c.multiply(c.divide(m, deviation), c.divide(rate, c1));
  return [c.subtract(weightDecay ? decay() : parameter, step), m, v];
};

export const rmsPropStep: LoweringRule<'rmsPropStep'> = (c, { attributes }, inputs) => {
  const { alpha, eps, momentum, weightDecay } = attributes;
  const [parameter, gradient, rate, average, velocity] = inputs.map((x) => x.name);
  const g = decayed(c, parameter, gradient, weightDecay);
  const moved = c.add(c.multiply(average, alpha), c.multiply(c.multiply(g, g), 1 - alpha));
  const direction = c.divide(g, c.add(c.op('Sqrt', [moved]), eps));
  const v = velocity === undefined ? direction : c.add(c.multiply(velocity, momentum), direction);
  return [c.subtract(parameter, c.multiply(v, rate)), moved, ...(velocity === undefined ? [] : [v])];
};
