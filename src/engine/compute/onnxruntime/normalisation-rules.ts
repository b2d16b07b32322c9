/** ONNX operators for normalisation and softmax. */
import type { KernelLowering, LoweringRule, Value } from './kernel-lowering.ts';

// ---- batch norm: statistics over samples and positions

const CHANNEL = 1;

export const batchNorm: LoweringRule<'batchNorm'> = (c, { attributes: { eps } }, inputs) => [
  c.op(
    'BatchNormalization',
    inputs.map((x) => x.name),
    { epsilon: { float: eps } },
  ),
];

const othersOf = ({ shape }: Value): readonly number[] => shape.map((_, i) => i).filter((i) => i !== CHANNEL);
const perChannel = (c: KernelLowering, x: Value, vector: string): string => c.along(vector, CHANNEL, x.shape.length);

export const batchNormGradient: LoweringRule<'batchNormGradient'> = (c, { attributes: { eps } }, inputs) => {
  const [d, x, w, mean, variance] = inputs;
  const inverse = c.inverseRoot(variance.name, eps);
  const { dw, db } = affineGradients(c, d, x, mean.name, inverse);
  return [c.multiply(d.name, perChannel(c, x, c.multiply(w.name, inverse))), dw, db];
};

/** ONNX Runtime's own training kernel: two passes for the statistics, one for the result; it gives the biased variance. */
export const batchNormTraining: LoweringRule<'batchNormTraining'> = (c, { attributes: { eps } }, [x, w, b]) => {
  const attributes = { epsilon: { float: eps }, momentum: { float: 0 }, training_mode: 1 };
  // The running statistics that it takes count nothing at momentum 0, but it writes the new ones where they lie.
  const inputs = [x.name, w.name, b.name, c.multiply(w.name, 0), c.multiply(b.name, 0)];
  const [y, mean, variance] = c.graph.outputs('BatchNormalization', inputs, attributes, 3);
  const count = c.count(othersOf(x).map((i) => x.shape[i]));
  const unbiased = c.multiply(variance, c.divide(count, c.subtract(count, 1)));
  return [y, mean, unbiased, mean, c.inverseRoot(variance, eps)];
};

/**
 * dx = w r (d − mean(d) − x̂ mean(d x̂)) is a combination of d and x with one number a channel each, so that x̂ is never written out.
 */
export const batchNormTrainingGradient: LoweringRule<'batchNormTrainingGradient'> = (c, _, inputs) => {
  const [d, x, w, mean, inverse] = inputs;
  const { dw, db } = affineGradients(c, d, x, mean.name, inverse.name);
  const count = c.count(othersOf(x).map((i) => x.shape[i]));
  const forD = c.multiply(w.name, inverse.name);
  const forX = c.op('Neg', [c.divide(c.multiply(forD, c.multiply(inverse.name, dw)), count)]);
  const constant = c.subtract(c.op('Neg', [c.divide(c.multiply(forD, db), count)]), c.multiply(forX, mean.name));
  const linear = c.multiply(x.name, perChannel(c, x, forX));
  return [c.add(perChannelLinear(c, d, forD, constant), linear), dw, db];
};

/** dw = r (Σ d x − μ Σ d), db = Σ d. */
function affineGradients(c: KernelLowering, d: Value, x: Value, mean: string, inverse: string) {
  const axes = othersOf(x);
  const db = c.sum(d.name, axes, false);
  const products = c.sum(c.multiply(d.name, x.name), axes, false);
  return { db, dw: c.multiply(inverse, c.subtract(products, c.multiply(mean, db))) };
}

/** a x + b with one number a channel, in one pass: batch norm of mean 0 and variance 1. */
function perChannelLinear(c: KernelLowering, x: Value, a: string, b: string): string {
  const zeros = c.multiply(a, 0);
  return c.op('BatchNormalization', [x.name, a, b, zeros, c.add(zeros, 1)], { epsilon: { float: 0 } });
}

// ---- layer norm

/** Permutation that moves `axis` to the end, and the one that moves it back. */
function toLast(rank: number, axis: number): { there: readonly number[]; back: readonly number[] } {
  const there = [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
  return { there, back: there.map((_, i) => there.indexOf(i)) };
}

export const layerNorm: LoweringRule<'layerNorm'> = (c, { attributes: { eps, axis }, shapes }, [x, w, b]) => {
  const { there, back } = toLast(x.shape.length, axis);
  const inputs = [c.transpose(x.name, there), w.name, b.name];
  const attributes = { axis: -1, epsilon: { float: eps } };
  const [y, ...statistics] = c.graph.outputs('LayerNormalization', inputs, attributes, 3);
  if (axis === x.shape.length - 1) return [y, ...statistics];
  return [c.transpose(y, back), ...statistics.map((name, i) => c.reshape(name, shapes[1 + i]))];
};

/** dx = r (g − mean(g) − x̂ mean(g x̂)) with g = w d; dw = Σ d x̂; db = Σ d. */
export const layerNormGradient: LoweringRule<'layerNormGradient'> = (c, { attributes: { axis } }, inputs) => {
  const [d, x, w, mean, inverse] = inputs;
  const rank = x.shape.length;
  const others = x.shape.map((_, i) => i).filter((i) => i !== axis);
  const standard = c.multiply(c.subtract(x.name, mean.name), inverse.name);
  const g = c.multiply(d.name, c.along(w.name, axis, rank));
  const centred = c.subtract(g, c.mean(g, [axis], true));
  const projected = c.subtract(centred, c.multiply(standard, c.mean(c.multiply(g, standard), [axis], true)));
  const dw = c.sum(c.multiply(d.name, standard), others, false);
  return [c.multiply(projected, inverse.name), dw, c.sum(d.name, others, false)];
};

// ---- softmax

export const softmax: LoweringRule<'softmax'> = (c, { attributes: { axis } }, [x]) => [
  c.op('Softmax', [x.name], { axis }),
];

export const softmaxGradient: LoweringRule<'softmaxGradient'> = (c, { attributes: { axis } }, [d, y]) => [
  c.multiply(y.name, c.subtract(d.name, c.sum(c.multiply(d.name, y.name), [axis], true))),
];
