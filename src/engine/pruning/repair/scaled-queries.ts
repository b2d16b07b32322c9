/**
 * Queries whose scale follows the head dimension. Where heads lost dimensions, 1/√head_dim grew: for the products with the
 * keys to be the dense ones', the targets of the queries shrink by as much.
 */
import { type Graph, type GraphNode, nodesById, type ValueId } from '../../graph/graph.ts';
import { inferShapes, withBatch } from '../../graph/shapes.ts';
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

type Moved = { readonly shape: readonly number[]; readonly data: Int32Array };

/** What moves elements and computes nothing. */
const moves: { readonly [kind: string]: (node: GraphNode, x: Moved, shape: readonly number[]) => Moved } = {
  reshape: (_, { data }, shape) => ({ shape, data }),
  transpose: (node, x) => {
    const { permutation } = (node as GraphNode<'transpose'>).attributes;
    return indexed(
      x,
      permutation.map((d) => x.shape[d]),
      (at, strides) => permutation.reduce((sum, d, i) => sum + at[i] * strides[d], 0),
    );
  },
  slice: (node, x, shape) => {
    const { axis, start, step } = (node as GraphNode<'slice'>).attributes;
    return indexed(x, shape, (at, strides) =>
      at.reduce((sum, place, d) => sum + (d === axis ? start + place * step : place) * strides[d], 0),
    );
  },
};

function indexed(
  x: Moved,
  shape: readonly number[],
  from: (at: readonly number[], strides: readonly number[]) => number,
): Moved {
  const strides = x.shape.map((_, i) => x.shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const data = new Int32Array(shape.reduce((a, b) => a * b, 1));
  const at = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = x.data[from(at, strides)];
    for (let d = shape.length - 1; d >= 0 && ++at[d] === shape[d]; d--) at[d] = 0;
  }
  return { shape, data };
}

/** The layers whose outputs, only moved about, are scaled by their last dimension. */
function scaledLayers(graph: Graph): readonly ScaledLayer[] {
  const nodes = nodesById(graph);
  const shapes = inferShapes(graph);
  const sizes = (id: ValueId): number[] => withBatch(shapes.get(id) ?? [], 1);
  return graph.nodes.flatMap((node): ScaledLayer[] => {
    if (node.kind !== 'scale' || typeof node.attributes.by === 'number') return [];
    const path: GraphNode[] = [];
    let source = nodes.get(node.inputs[0]);
    while (source && source.kind in moves) {
      path.unshift(source);
      source = nodes.get(source.inputs[0]);
    }
    if (source?.kind !== 'linear') return [];
    const shape = sizes(source.id);
    const width = shape.at(-1) as number;
    const data = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i % width);
    const moved = path.reduce((x, step) => moves[step.kind](step, x, sizes(step.id)), { shape, data } as Moved);
    return [{ layer: source, headDim: sizes(node.inputs[0]).at(-1) as number, rows: [...new Set(moved.data)] }];
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
