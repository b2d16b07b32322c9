/** Whether a Graph and its weights can run. */
import { type Graph, isClassifier, leavingValues, type ParameterSpec } from './graph.ts';
import { formatShape, inferShapes, ShapeError } from './shapes.ts';
import type { Weights } from './tensor.ts';

/** Throws at the first thing that is wrong with the Graph itself: names, order, shapes, outputs. */
export function validateGraph(graph: Graph): void {
  const ids = new Set<string>();
  for (const node of graph.nodes) {
    if (ids.has(node.id)) throw new ShapeError(node, 'two nodes have this name');
    ids.add(node.id);
  }
  const shapes = inferShapes(graph);
  if (!graph.outputs.length) throw new Error(`${graph.name} has no output`);
  for (const id of leavingValues(graph)) {
    const shape = shapes.get(id);
    if (!shape) throw new Error(`${graph.name}: its output ${id} is not computed`);
    if (!isClassifier(graph)) continue;
    if (shape.length !== 2 || shape[1] !== graph.classes)
      throw new Error(
        `${graph.name}: output ${id} is ${formatShape(shape)}, not one logit for each of ${graph.classes} classes`,
      );
  }
}

export interface WeightProblems {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  /** Names with the shape found and the shape needed. */
  readonly mismatched: readonly string[];
}

/** num_batches_tracked may be missing: PyTorch before 0.4.1 did not save it, and nothing here reads it. */
const isOptional = (parameter: ParameterSpec): boolean => parameter.dtype === 'int64';

export function compareWeights(graph: Graph, weights: Weights): WeightProblems {
  const wanted = new Map(graph.parameters.map((p) => [p.name, p]));
  const missing = graph.parameters.filter((p) => !weights.has(p.name) && !isOptional(p)).map((p) => p.name);
  const unexpected = [...weights.keys()].filter((name) => !wanted.has(name));
  const mismatched = graph.parameters.flatMap((p) => {
    const found = weights.get(p.name);
    if (!found || formatShape(found.shape) === formatShape(p.shape)) return [];
    return [`${p.name}: ${formatShape(found.shape)} in the file, ${formatShape(p.shape)} in the network`];
  });
  return { missing, unexpected, mismatched };
}
