/** A Graph as text: one line a node, for golden tests and for reading in a review. */
import { type Graph, type GraphNode, isClassifier } from './graph.ts';
import { formatShape, inferShapes } from './shapes.ts';

const formatValue = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(formatValue).join(' ')}]`;
  if (ArrayBuffer.isView(value)) return `${(value as Int32Array).length} entries`;
  if (value && typeof value === 'object') {
    if ('dtype' in value && 'shape' in value) return `${value.dtype}${formatShape(value.shape as number[])}`;
    return Object.values(value).map(formatValue).join(' ');
  }
  return String(value);
};

function formatAttributes(node: GraphNode): string {
  return Object.entries(node.attributes)
    .map(([name, value]) => `${name}=${formatValue(value)}`)
    .join(' ');
}

/** `layer1.0.conv1 = conv(maxpool) kernel=[3 3] … → [N, 64, 56, 56]`, and the outputs on the last line. */
export function dumpGraph(graph: Graph): string {
  const shapes = inferShapes(graph);
  const lines = graph.nodes.map((node) => {
    const attributes = formatAttributes(node);
    const shape = formatShape(shapes.get(node.id) ?? []);
    return `${node.id} = ${node.kind}(${node.inputs.join(', ')})${attributes && ` ${attributes}`} → ${shape}`;
  });
  const kind = isClassifier(graph) ? `${graph.classes} classes` : `${graph.outputs.length} outputs`;
  const outputs = graph.outputs.map(({ name, value }) => `output ${name === 'logits' ? '' : `${name} = `}${value}`);
  return [`${graph.name} (${graph.family}), ${kind}`, ...lines, ...outputs].join('\n');
}
