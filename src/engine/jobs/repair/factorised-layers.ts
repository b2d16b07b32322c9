/** Layers of a factorised attention as they are fitted: their targets, and the weights that a ridge holds them to. */
import { toFloat32, type Weights } from '../../graph/tensor.ts';
import type { RepairLayer } from '../../pruning/repair/repair-layers.ts';
import type { Fit } from '../../pruning/repair/ridge.ts';
import type { FactorisedAttention } from './factorised-attention.ts';
import type { RepairInputs } from './repair-report.ts';
import { layerAsFit, targetScale } from './repair-tensors.ts';

/** What replaces a layer's own targets and prior. */
export interface FactorisedLayer {
  /** [outputs, dense outputs]; undefined where its targets are the dense outputs that stayed. */
  readonly map: Float32Array | undefined;
  /** The layer before it is fitted. */
  readonly before: Fit;
}

/** Every output as a sum of dense ones: the one that stayed, or what a map says; times its scale. */
function mapOf(layer: RepairLayer, factors: FactorisedAttention, scale: Float32Array, dense: number): Float32Array {
  const map = new Float32Array(scale.length * dense);
  const rows = factors.targets.get(layer.weight)?.rows;
  scale.forEach((factor, output) => {
    const sums = rows?.get(output) ?? new Map([[layer.keptOutputs?.[output] ?? output, 1]]);
    for (const [from, value] of sums) map[output * dense + from] = factor * value;
  });
  return map;
}

/** The dense layer's rows summed by a map, at the inputs that stayed. */
function mappedLayer(layer: RepairLayer, map: Float32Array, inputs: RepairInputs): Fit | undefined {
  const origin = inputs.kept.get(layer.weight);
  const tensor = origin && inputs.teacherWeights.get(origin.from);
  if (!origin || !tensor) return undefined;
  const full = toFloat32(tensor);
  const [dense, width] = tensor.shape;
  const entries = origin.kept[1] ?? Int32Array.from({ length: width }, (_, i) => i);
  const { bias } = layer.node.parameters;
  const biasOrigin = bias === undefined ? undefined : inputs.kept.get(bias)?.from;
  const fullBias = biasOrigin === undefined ? undefined : inputs.teacherWeights.get(biasOrigin);
  const outputs = map.length / dense;
  const weight = new Float64Array(outputs * entries.length);
  const constant = new Float64Array(outputs);
  const biases = fullBias && toFloat32(fullBias);
  for (let o = 0; o < outputs; o++)
    for (let from = 0; from < dense; from++) {
      const factor = map[o * dense + from];
      if (factor === 0) continue;
      constant[o] += factor * (biases?.[from] ?? 0);
      entries.forEach((input, i) => {
        weight[o * entries.length + i] += factor * full[from * width + input];
      });
    }
  return { weight, constant };
}

/** A projection's columns as the new values ask for them. */
function withColumns(layer: RepairLayer, columns: ReadonlyMap<number, Float64Array>, weights: Weights): Fit {
  const before = layerAsFit(layer, weights);
  const width = before.weight.length / before.constant.length;
  const weight = Float64Array.from(before.weight);
  for (const [input, values] of columns)
    values.forEach((value, o) => {
      weight[o * width + input] = value;
    });
  return { weight, constant: before.constant };
}

/** By weight. */
export function factorisedLayers(
  layers: readonly RepairLayer[],
  factors: FactorisedAttention,
  inputs: RepairInputs,
): ReadonlyMap<string, FactorisedLayer> {
  const scales = targetScale(inputs);
  const found = new Map<string, FactorisedLayer>();
  for (const layer of layers) {
    const origin = inputs.kept.get(layer.weight);
    const dense = origin && inputs.teacherWeights.get(origin.from)?.shape[0];
    if (factors.targets.has(layer.weight) && dense !== undefined) {
      const map = mapOf(layer, factors, scales(layer), dense);
      const before = mappedLayer(layer, map, inputs);
      if (before) found.set(layer.weight, { map, before });
    }
    const columns = factors.columns.get(layer.weight);
    if (columns) found.set(layer.weight, { map: undefined, before: withColumns(layer, columns, inputs.weights) });
  }
  return found;
}
