/** Between a layer's tensors, in PyTorch's layout, and what is fitted: taps before channels, all in double precision. */

import { elementCount, float32Tensor, type Tensor, toFloat32, type Weights } from '../../graph/tensor.ts';
import { gatherTensor } from '../../pruning/rebuilding/gather.ts';
import type { ChannelFactor } from '../../pruning/repair/rectified.ts';
import type { RepairLayer } from '../../pruning/repair/repair-layers.ts';
import type { Fit } from '../../pruning/repair/ridge.ts';
import { scaledQueries } from '../../pruning/repair/scaled-queries.ts';
import type { RepairInputs } from './repair-report.ts';

/** Which tensors a layer has, and where its constant goes. */
type LayerPlace = Pick<RepairLayer, 'node' | 'weight' | 'constant'>;

function tensorOf(weights: Weights, name: string): Tensor {
  const tensor = weights.get(name);
  if (!tensor) throw new Error(`the weights lack ${name}`);
  return tensor;
}

/** Where element (o, c, tap) of a weight [O, C, kh, kw] is in a fit's [O, taps, C]; the identity for other shapes. */
function fitOrder(shape: readonly number[]): Int32Array {
  const order = Int32Array.from({ length: elementCount(shape) }, (_, i) => i);
  if (shape.length !== 4) return order;
  const [outputs, channels, kh, kw] = shape;
  const taps = kh * kw;
  let at = 0;
  for (let o = 0; o < outputs; o++)
    for (let c = 0; c < channels; c++) for (let t = 0; t < taps; t++) order[at++] = (o * taps + t) * channels + c;
  return order;
}

/** The layer as it is. A constant in the running mean is the dense one's: none yet. */
export function layerAsFit({ node, weight, constant }: LayerPlace, weights: Weights): Fit {
  const tensor = tensorOf(weights, weight);
  const values = toFloat32(tensor);
  const fitted = new Float64Array(values.length);
  fitOrder(tensor.shape).forEach((to, from) => {
    fitted[to] = values[from];
  });
  const { bias } = node.parameters;
  const outputs = tensor.shape[0];
  const isBias = constant?.role === 'bias' && bias !== undefined;
  return {
    weight: fitted,
    constant: isBias ? Float64Array.from(toFloat32(tensorOf(weights, bias))) : new Float64Array(outputs),
  };
}

/** The tensors that a fit changes. */
export function fittedTensors({ weight, constant }: Omit<LayerPlace, 'node'>, fit: Fit, weights: Weights): Weights {
  const { shape } = tensorOf(weights, weight);
  const values = new Float32Array(fit.weight.length);
  fitOrder(shape).forEach((from, to) => {
    values[to] = fit.weight[from];
  });
  const changed = new Map<string, Tensor>([[weight, float32Tensor(shape, values)]]);
  if (constant?.role === 'bias')
    changed.set(constant.parameter, float32Tensor([fit.constant.length], Float32Array.from(fit.constant)));
  if (constant?.role === 'runningMean') {
    // The norm takes its mean from what comes in: a constant added there is a smaller mean here.
    const mean = toFloat32(tensorOf(weights, constant.parameter));
    changed.set(
      constant.parameter,
      float32Tensor(
        [mean.length],
        mean.map((value, i) => value - fit.constant[i]),
      ),
    );
  }
  return changed;
}

/** Factors below this are none: the branch cannot reach the sum. */
const LEAST_FACTOR = 1e-6;

/** What a layer's own output would have to bring for each unit further on: one over the factors between them. */
export function backScale(
  { factors }: { readonly factors: readonly ChannelFactor[] },
  outputs: number,
  weights: Weights,
): Float32Array {
  const product = new Float64Array(outputs).fill(1);
  for (const factor of factors) {
    const values = factor.kind === 'scale' ? toFloat32(tensorOf(weights, factor.value)) : normFactors(factor, weights);
    for (let i = 0; i < outputs; i++) product[i] *= values[i];
  }
  return Float32Array.from(product, (value) => (Math.abs(value) > LEAST_FACTOR ? 1 / value : 0));
}

function normFactors(
  { weight, variance, eps }: { readonly weight: string; readonly variance: string; readonly eps: number },
  weights: Weights,
): Float64Array {
  const gamma = toFloat32(tensorOf(weights, weight));
  const values = toFloat32(tensorOf(weights, variance));
  return Float64Array.from(gamma, (value, i) => value / Math.sqrt(values[i] + eps));
}

/** Factors of every layer's targets: 1, but for queries whose scale follows a head dimension that shrank. */
export function targetScale(inputs: RepairInputs): (layer: RepairLayer) => Float32Array {
  const queries = scaledQueries(inputs);
  const outputs = new Map(inputs.student.parameters.map(({ name, shape }) => [name, shape[0]]));
  return ({ node, weight }) => {
    const scale = new Float32Array(outputs.get(weight) ?? 0).fill(1);
    const found = queries.get(node.id);
    for (const row of found?.rows ?? []) scale[row] = found?.factor ?? 1;
    return scale;
  };
}

/**
 * The weights with the dense network's norms after every layer that is fitted: its targets are what enters those. They
 * are so already where the network was pruned and not trained since.
 */
export function withDenseNorms(
  { student, weights, teacherWeights, kept }: RepairInputs,
  layers: readonly RepairLayer[],
): Weights {
  const fitted = new Set(layers.map(({ node }) => node.id));
  const changed = new Map(weights);
  for (const node of student.nodes) {
    if (node.kind !== 'batchNorm' || !fitted.has(node.inputs[0])) continue;
    for (const name of Object.values(node.parameters)) {
      const origin = kept.get(name);
      const tensor = origin && teacherWeights.get(origin.from);
      if (origin && tensor) changed.set(name, gatherTensor(tensor, origin.kept));
    }
  }
  return changed;
}
