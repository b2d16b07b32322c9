/** How many heads each attention module of a Graph has. */
import type { Graph } from './graph.ts';
import { attentionModules, shapeTable } from './macs.ts';

export interface AttentionHeads {
  /** Module path: `blocks.0.attn`. */
  readonly attention: string;
  /** The layer that makes queries, keys and values. */
  readonly qkv: string;
  readonly heads: number;
}

/** In the Graph's order: the product of queries and keys is [N, (windows,) heads, L, L], and images × windows may be one negative dimension. */
export function attentionHeads(graph: Graph): readonly AttentionHeads[] {
  const shapes = shapeTable(graph);
  return attentionModules(graph).map(({ module, qkv, product }) => ({
    attention: module,
    qkv,
    heads: Math.abs(shapes.value(product).at(-3) as number),
  }));
}
