/** What there is to say of a model without running it. */

import { attentionHeads } from '../../graph/attention-heads.ts';
import type { Graph } from '../../graph/graph.ts';
import { nodesById } from '../../graph/graph.ts';
import { type Cost, graphCost, nodeMacs, shapeTable } from '../../graph/macs.ts';
import { formatShape } from '../../graph/shapes.ts';

interface LayerInfo {
  readonly name: string;
  readonly type: string;
  readonly output: string;
  readonly macs: number;
  readonly params: number;
}

export interface GraphInfo extends Cost {
  /** Heads of each attention layer, by its qkv. */
  readonly heads: Readonly<Record<string, number>>;
  readonly layers: readonly LayerInfo[];
}

/** Heads by the name of the layer that makes queries, keys and values. */
export const headsByLayer = (graph: Graph): Record<string, number> =>
  Object.fromEntries(attentionHeads(graph).map(({ qkv, heads }) => [qkv, heads]));

/** Cost, heads and layers: nodes that have parameters, and the products of attentions. */
export function graphInfo(graph: Graph): GraphInfo {
  const shapes = shapeTable(graph);
  const macs = nodeMacs(graph);
  const trainable = new Set(graph.parameters.filter((p) => p.trainable).map((p) => p.name));
  const size = (name: string): number => shapes.parameter(name).reduce((a, b) => a * b, 1);
  const layers = [...nodesById(graph).values()].flatMap((node): LayerInfo[] => {
    const names = Object.values(node.parameters).filter((name) => trainable.has(name));
    if (!names.length && node.kind !== 'matmul') return [];
    return [
      {
        name: node.id,
        type: node.moduleType || node.kind,
        output: formatShape(shapes.value(node.id)),
        macs: macs.get(node.id) ?? 0,
        params: names.reduce((sum, name) => sum + size(name), 0),
      },
    ];
  });
  return { ...graphCost(graph), heads: headsByLayer(graph), layers };
}
