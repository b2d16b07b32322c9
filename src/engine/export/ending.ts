/** What a file had behind its logits, for files that are written again. */
import { type Graph, type GraphNode, isClassifier, type ValueId } from '../graph/graph.ts';

/** The same network with what its file had behind the logits; in training it gives the logits. */
export function withEnding(graph: Graph): Graph {
  const { ending, nodes, outputs } = graph;
  if (!ending || !isClassifier(graph)) return graph;
  const taken = new Set(nodes.map(({ id }) => id));
  const added: GraphNode[] = [];
  const add = (kind: 'softmax' | 'activation', attributes: GraphNode['attributes'], input: ValueId): ValueId => {
    let id: ValueId = kind === 'softmax' ? 'probabilities' : 'log_probabilities';
    while (taken.has(id)) id += '_';
    const node = { id, kind, attributes, inputs: [input], parameters: {}, module: '', moduleType: '', counted: false };
    added.push(node as GraphNode);
    return id;
  };
  const probabilities = add('softmax', { axis: 1 }, outputs[0].value);
  const value = ending === 'softmax' ? probabilities : add('activation', { function: 'log' }, probabilities);
  return { ...graph, nodes: [...nodes, ...added], outputs: [{ name: outputs[0].name, value }] };
}
