/** The unpruned networks that checkpoints are compared with, built once. */
import type { Graph } from '../graph/graph.ts';
import type { Variant } from './variant.ts';

export type CheckpointShapes = ReadonlyMap<string, readonly number[]>;

const denseGraphs = { timm: new Map<Variant, Graph>(), torchvision: new Map<Variant, Graph>() };

/** The unpruned network, in the form whose names a checkpoint has. */
export function denseGraph(variant: Variant, file?: CheckpointShapes): Graph {
  const torchvision = file?.has('features.0.0.weight') ?? false;
  const known = denseGraphs[torchvision ? 'torchvision' : 'timm'];
  const graph = known.get(variant) ?? variant.build(torchvision ? { torchvision } : {});
  known.set(variant, graph);
  return graph;
}
