/** A Graph with its weights as an ONNX model (batch size open), for runtimes that are not PyTorch. */

import { UserError } from '../../common/errors.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { inputShape } from '../graph/graph.ts';
import type { OperationKind, Shape } from '../graph/operations.ts';
import { inferShapes } from '../graph/shapes.ts';
import { toFloat32, type Weights } from '../graph/tensor.ts';
import { type OnnxInterface, type OnnxParts, OnnxWriter } from '../onnx-format/onnx-writer.ts';
import { type Emitter, emitters } from './onnx-operators.ts';
import type { OnnxScope } from './onnx-scope.ts';

/** Ids of nodes that the outputs in evaluation need. */
function needed(graph: Graph): ReadonlySet<ValueId> {
  const used = new Set(graph.outputs.map(({ value }) => value));
  for (const node of [...graph.nodes].reverse()) if (used.has(node.id)) for (const id of node.inputs) used.add(id);
  return used;
}

export { NEWEST_OPSET, OLDEST_OPSET } from '../onnx-format/onnx-writer.ts';

export interface OnnxForm {
  /** Kept in the file, beside how images are prepared. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Version of the operators, of those that the writer knows (default the oldest of them). */
  readonly opset?: number;
}

/** Nodes and weights of the model in evaluation mode, and what it takes and gives. */
function collect(
  graph: Graph,
  weights: Weights,
  { metadata = {}, opset }: OnnxForm,
): [writer: OnnxWriter, values: OnnxInterface] {
  const shapes = inferShapes(graph);
  const used = needed(graph);
  const written = new Set<string>();
  const parameterName = (name: string): string => {
    if (written.has(name)) return name;
    const tensor = weights.get(name);
    if (!tensor) throw new UserError(`cannot export ${graph.name}: it has no weights for ${name}`);
    written.add(name);
    return writer.float(name, tensor.shape, toFloat32(tensor));
  };
  const images = graph.nodes[0].id;
  // An output that is another's value again, or the images themselves, is a copy.
  const names = new Map<ValueId, string>([[images, images]]);
  const copies = graph.outputs.filter(({ name, value }) => {
    if (names.has(value)) return true;
    names.set(value, name);
    return false;
  });
  const nameOf = (id: ValueId): string => names.get(id) ?? `/${id}`;
  const given = [...graph.parameters, ...graph.outputs].map(({ name }) => name);
  const writer = new OnnxWriter([...given, ...graph.nodes.map(({ id }) => nameOf(id))], opset);
  for (const node of graph.nodes) {
    if (!used.has(node.id)) continue;
    const scope: OnnxScope = {
      writer,
      images,
      input: (i) => nameOf(node.inputs[i]),
      inputShape: (i) => shapes.get(node.inputs[i]) ?? [],
      parameter: (role) => parameterName(node.parameters[role] as string),
      op: (type, inputs, attributes = {}) => writer.node(type, inputs, attributes, { base: `/${node.id}/${type}` }),
      result: (type, inputs, attributes = {}) => {
        writer.node(type, inputs, attributes, { name: nameOf(node.id) });
      },
    };
    (emitters[node.kind] as Emitter<OperationKind>)(node, scope);
  }
  for (const { name, value } of copies) writer.node('Identity', [nameOf(value)], {}, { name });
  const values: OnnxInterface = {
    inputs: [{ name: images, shape: inputShape(graph) }],
    outputs: graph.outputs.map(({ name, value }) => ({ name, shape: shapes.get(value) as Shape })),
    metadata: {
      interpolation: graph.input.interpolation,
      resize: String(graph.input.resize),
      mean: graph.input.mean.join(', '),
      std: graph.input.std.join(', '),
      ...(graph.input.fit && { fit: graph.input.fit }),
      ...(graph.input.order && { order: graph.input.order }),
      ...metadata,
    },
  };
  return [writer, values];
}

/**
 * Bytes of the model in evaluation mode: one input [N, C, H, W], the Graph's outputs, all by their names in the Graph.
 *
 * @throws UserError when a weight is missing
 */
export function onnxModel(graph: Graph, weights: Weights, form: OnnxForm = {}): Uint8Array {
  const [writer, values] = collect(graph, weights, form);
  return writer.finish(graph.name, values);
}

/**
 * As `onnxModel`, with the larger tensors in a file beside it where all together have more than `most` bytes.
 *
 * @param location that file's name
 */
export function onnxParts(graph: Graph, weights: Weights, form: OnnxForm, location: string, most: number): OnnxParts {
  const [writer, values] = collect(graph, weights, form);
  return writer.bytes > most
    ? writer.finishApart(graph.name, values, location)
    : { model: writer.finish(graph.name, values), data: [] };
}
