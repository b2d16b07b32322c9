/** Weight decay of every parameter, as the paper's `set_weight_decay` sorts them. */
import type { Graph, ParameterSpec } from '../graph/graph.ts';
import type { TrainingOptions } from './training-options.ts';

type DecayOptions = Pick<
  TrainingOptions,
  'weightDecay' | 'normWeightDecay' | 'biasWeightDecay' | 'transformerEmbeddingDecay'
>;

/** torchvision's names and timm's, last part. */
const EMBEDDINGS = new Set([
  'class_token',
  'position_embedding',
  'relative_position_bias_table',
  'cls_token',
  'dist_token',
  'pos_embed',
]);

/** A bias decay that is given comes before the norms': the reference sorts by name first, by module type second. */
export function weightDecayOf(graph: Graph, options: DecayOptions): (parameter: ParameterSpec) => number {
  const norms = new Set(
    graph.nodes.flatMap((node) =>
      node.kind === 'batchNorm' || node.kind === 'layerNorm' ? [node.parameters.weight, node.parameters.bias] : [],
    ),
  );
  return ({ name }) => {
    const last = name.slice(name.lastIndexOf('.') + 1);
    if (last === 'bias' && options.biasWeightDecay !== undefined) return options.biasWeightDecay;
    if (EMBEDDINGS.has(last) && options.transformerEmbeddingDecay !== undefined)
      return options.transformerEmbeddingDecay;
    if (norms.has(name) && options.normWeightDecay !== undefined) return options.normWeightDecay;
    return options.weightDecay;
  };
}
