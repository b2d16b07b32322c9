/** Tensors of layers whose input channels are fitted: the dense layer's weights, composed with the fit. */
import { float32Tensor, type Tensor, toFloat32, type Weights } from '../../graph/tensor.ts';
import { gatherTensor } from '../../pruning/rebuilding/gather.ts';
import { type ChannelForm, composed, keptChannels, selection } from '../../pruning/repair/channel-form.ts';
import type { RepairLayer } from '../../pruning/repair/repair-layers.ts';
import type { Fit } from '../../pruning/repair/ridge.ts';
import type { RepairInputs } from './repair-report.ts';

/** Positions of a channel beside each other in the weight's input dimension: those of a flattened map. */
const flattened = ({ node }: RepairLayer, { places }: ChannelForm): number => (node.kind === 'linear' ? places : 1);

/** Which of the dense input channels are left, as a fit that gives those alone. */
export function selectedChannels(
  layer: RepairLayer,
  form: ChannelForm,
  { student, kept }: Pick<RepairInputs, 'student' | 'kept'>,
  dense: number,
): Fit {
  const positions = flattened(layer, form);
  const width = student.parameters.find(({ name }) => name === layer.weight)?.shape[1] ?? 0;
  return selection(keptChannels(kept.get(layer.weight)?.kept[1], width / positions, positions), dense);
}

function denseRows(name: string, { kept, teacherWeights }: RepairInputs): Tensor {
  const origin = kept.get(name);
  const tensor = origin && teacherWeights.get(origin.from);
  if (!origin || !tensor) throw new Error(`the dense network has no ${name}`);
  return gatherTensor(tensor, [origin.kept[0], ...tensor.shape.slice(1).map(() => undefined)]);
}

/** The tensors that a fit of the channels changes. A constant's share at the border of a padded map is the inside's. */
export function composedTensors(
  layer: RepairLayer,
  { places }: ChannelForm,
  mix: Fit,
  inputs: RepairInputs,
  weights: Weights,
): Weights {
  const dense = denseRows(layer.weight, inputs);
  const shape = weights.get(layer.weight)?.shape ?? [];
  const { weight, constant } = composed(toFloat32(dense), shape[0], places, mix);
  const changed = new Map<string, Tensor>([[layer.weight, float32Tensor(shape, Float32Array.from(weight))]]);
  if (layer.constant) {
    // A norm takes its mean from what comes in: a constant added there is a smaller mean here.
    const sign = layer.constant.role === 'bias' ? 1 : -1;
    const { parameter } = layer.constant;
    const before = toFloat32(denseRows(parameter, inputs));
    const values = before.map((value, i) => value + sign * constant[i]);
    changed.set(parameter, float32Tensor([values.length], values));
  }
  return changed;
}
