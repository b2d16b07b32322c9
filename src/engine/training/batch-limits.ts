/** How small a training batch may be. */
import type { Graph } from '../graph/graph.ts';
import { inferShapes } from '../graph/shapes.ts';
import { elementCount } from '../graph/tensor.ts';

/**
 * The smallest batch that batch norm can be trained with: 2 where a norm sees a single value per channel and image (one value has no
 * unbiased variance; PyTorch: "Expected more than 1 value per channel when training"), else 1.
 */
export function leastTrainingBatch(graph: Graph): number {
  const shapes = inferShapes(graph);
  const isSingle = (id: string): boolean => elementCount((shapes.get(id) ?? []).slice(2)) === 1;
  return graph.nodes.some((node) => node.kind === 'batchNorm' && isSingle(node.id)) ? 2 : 1;
}
