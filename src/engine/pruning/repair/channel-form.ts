/**
 * The smaller form of a fit: one matrix for all taps of a convolution, or all positions of a flattened map. It gives the
 * dense layer's input channels from those that are left (He, Zhang and Sun 2017, section 3.1: one coefficient a channel, here
 * with all channels mixed), and the dense weights follow: W'[o, c, t] = Σ W[o, d, t] · A[d, c].
 */
import { type Graph, type GraphNode, nodesById } from '../../graph/graph.ts';
import { inferShapes } from '../../graph/shapes.ts';
import type { Fit } from './ridge.ts';

/** How a layer's inputs are channels: each is there at so many taps (of a kernel) or positions (of a flattened map). */
export interface ChannelForm {
  readonly places: number;
}

/** What a layer's input is made of; undefined where its channels cannot be told, or its weights see only some of them. */
export function channelForm(graph: Graph, node: GraphNode<'conv' | 'linear'>): ChannelForm | undefined {
  if (node.kind === 'conv') {
    const { groups, kernel } = node.attributes;
    return groups === 1 ? { places: kernel[0] * kernel[1] } : undefined;
  }
  const nodes = nodesById(graph);
  let source = nodes.get(node.inputs[0]);
  while (source?.kind === 'dropout') source = nodes.get(source.inputs[0]);
  if (source?.kind !== 'reshape') return undefined;
  const shapes = inferShapes(graph);
  const [before, after] = [shapes.get(source.inputs[0]), shapes.get(source.id)];
  // [N, C, H, W] → [N, C · H · W]: the channels are the outermost part of what the layer takes.
  if (before?.length !== 4 || after?.length !== 2 || before[0] >= 0 || after[1] !== before[1] * before[2] * before[3])
    return undefined;
  return { places: before[2] * before[3] };
}

/** Dense channels that the left ones were, by entries of the weight's input dimension. `flattened`: positions of each, side by side. */
export function keptChannels(entries: Int32Array | undefined, channels: number, flattened: number): Int32Array {
  if (!entries) return Int32Array.from({ length: channels }, (_, i) => i);
  return Int32Array.from({ length: entries.length / flattened }, (_, i) => entries[i * flattened] / flattened);
}

/** What gives the dense channels before anything is fitted: those that are left, and nothing of the others. [dense, left] */
export function selection(kept: Int32Array, dense: number): Fit {
  const weight = new Float64Array(dense * kept.length);
  kept.forEach((channel, i) => {
    weight[channel * kept.length + i] = 1;
  });
  return { weight, constant: new Float64Array(dense) };
}

/**
 * The dense layer on channels that a fit gives. Weights lie [outputs, channels, places], as PyTorch has them.
 *
 * @param mix A: [dense channels, channels left], and what it adds
 */
export function composed(
  dense: ArrayLike<number>,
  outputs: number,
  places: number,
  mix: Fit,
): { readonly weight: Float64Array; readonly constant: Float64Array } {
  const channels = mix.constant.length;
  const left = mix.weight.length / channels;
  const weight = new Float64Array(outputs * left * places);
  const constant = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++)
    for (let d = 0; d < channels; d++) {
      const from = (o * channels + d) * places;
      let sum = 0;
      for (let p = 0; p < places; p++) sum += dense[from + p];
      constant[o] += sum * mix.constant[d];
      for (let c = 0; c < left; c++) {
        const a = mix.weight[d * left + c];
        const to = (o * left + c) * places;
        if (a !== 0) for (let p = 0; p < places; p++) weight[to + p] += a * dense[from + p];
      }
    }
  return { weight, constant };
}
