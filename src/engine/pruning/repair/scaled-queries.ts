/**
 * Queries whose scale follows the head dimension. Where heads lost dimensions, 1/√head_dim grew: for the products with the
 * keys to be the dense ones', the targets of the queries shrink by as much.
 */
import type { Graph, GraphNode, ValueId } from '../../graph/graph.ts';
import { MovedElements } from './head-rows.ts';
import type { NetworkPair } from './network-pair.ts';

export interface ScaledRows {
  /** Outputs of the layer that are queries. */
  readonly rows: readonly number[];
  readonly factor: number;
}

/** Rows of a layer's output that a scaled value is made of, and its last dimension. */
interface ScaledLayer {
  readonly layer: GraphNode<'linear'>;
  readonly headDim: number;
  readonly rows: readonly number[];
}

/** The layers whose outputs, only moved about, are scaled by their last dimension. */
function scaledLayers(graph: Graph): readonly ScaledLayer[] {
  const elements = new MovedElements(graph);
  return graph.nodes.flatMap((node): ScaledLayer[] => {
    if (node.kind !== 'scale' || typeof node.attributes.by === 'number') return [];
    const found = elements.of(node.inputs[0]);
    if (found?.source.kind !== 'linear') return [];
    const width = elements.sizes(found.source.id).at(-1) as number;
    const headDim = elements.sizes(node.inputs[0]).at(-1) as number;
    return [{ layer: found.source, headDim, rows: [...new Set(found.moved.data.map((at) => at % width))] }];
  });
}

/** By layer of the pruned network. */
export function scaledQueries({ student, teacher, kept }: NetworkPair): ReadonlyMap<ValueId, ScaledRows> {
  const dense = new Map(scaledLayers(teacher).map((found) => [found.layer.parameters.weight, found.headDim]));
  return new Map(
    scaledLayers(student).flatMap(({ layer, headDim, rows }): [ValueId, ScaledRows][] => {
      const before = dense.get(kept.get(layer.parameters.weight as string)?.from);
      if (before === undefined || before === headDim) return [];
      return [[layer.id, { rows, factor: Math.sqrt(headDim / before) }]];
    }),
  );
}
