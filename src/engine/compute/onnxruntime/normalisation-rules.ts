/** ONNX operators for normalisation and softmax. */
import type { KernelLowering, LoweringRule, Value } from './kernel-lowering.ts';

// ---- batch norm: statistics over samples and positions

const CHANNEL = 1;
const OTHERS = [0, 2, 3];

export const batchNorm: LoweringRule<'batchNorm'> = (c, { attributes: { eps } }, inputs) => [
  c.op(
    'BatchNormalization',
    inputs.map((x) => x.name),
    { epsilon: { float: eps } },
  ),
];

const othersOf = ({ shape }: Value): readonly number[] => shape.map((_, i) => i).filter((i) => i !== CHANNEL);
const perChannel = (c: KernelLowering, x: Value, vector: string): string => c.along(vector, CHANNEL, x.shape.length);

/** (x − mean) · inverse deviation, for vectors along the channels. */
function standardised(c: KernelLowering, x: Value, mean: string, inverse: string): string {
  return c.multiply(c.subtract(x.name, perChannel(c, x, mean)), perChannel(c, x, inverse));
}

export const batchNormGradient: LoweringRule<'batchNormGradient'> = (c, { attributes: { eps } }, inputs) => {
  const [d, x, w, mean, variance] = inputs;
  const inverse = c.inverseRoot(variance.name, eps);
  const dx = c.multiply(d.name, perChannel(c, x, c.multiply(w.name, inverse)));
  const product = c.multiply(d.name, standardised(c, x, mean.name, inverse));
  return [dx, c.sum(product, othersOf(x), false), c.sum(d.name, othersOf(x), false)];
};

export const batchNormTraining: LoweringRule<'batchNormTraining'> = (c, { attributes: { eps } }, [x, w, b]) => {
  const mean = c.mean(x.name, OTHERS, false);
  const centred = c.subtract(x.name, perChannel(c, x, mean));
  const variance = c.mean(c.multiply(centred, centred), OTHERS, false);
  const inverse = c.inverseRoot(variance, eps);
  const y = c.add(c.multiply(centred, perChannel(c, x, c.multiply(w.name, inverse))), perChannel(c, x, b.name));
  const count = c.count(OTHERS.map((i) => x.shape[i]));
  const unbiased = c.multiply(variance, c.divide(count, c.subtract(count, 1)));
  return [y, mean, unbiased, mean, inverse];
};

export const batchNormTrainingGradient: LoweringRule<'batchNormTrainingGradient'> = (c, _, inputs) => {
  const [d, x, w, mean, inverse] = inputs;
  const standard = standardised(c, x, mean.name, inverse.name);
  const dw = c.sum(c.multiply(d.name, standard), othersOf(x), false);
  const db = c.sum(d.name, othersOf(x), false);
  const count = c.count(OTHERS.map((i) => x.shape[i]));
  const centred = c.subtract(d.name, perChannel(c, x, c.divide(db, count)));
  const projected = c.subtract(centred, c.multiply(standard, perChannel(c, x, c.divide(dw, count))));
  return [c.multiply(projected, perChannel(c, x, c.multiply(w.name, inverse.name))), dw, db];
};

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
