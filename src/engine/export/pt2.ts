/** A Graph with its weights as an exported program that `torch.export.load(FILE).module()` runs, for any number of images. */

import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { bytesOf } from '../checkpoint/tensor-bytes.ts';
import { ZipWriter } from '../checkpoint/zip-write.ts';
import type { WriteSink } from '../files/atomic-write.ts';
import { writeAtomically } from '../files/atomic-write.ts';
import { type Graph, type GraphNode, inputShape, type ValueId } from '../graph/graph.ts';
import type { OperationKind, Shape } from '../graph/operations.ts';
import { type OutputTree, outputTree } from '../graph/output-places.ts';
import { inferShapes } from '../graph/shapes.ts';
import type { Tensor, Weights } from '../graph/tensor.ts';
import { type Pt2Scope, tensor } from './pt2-calls.ts';
import { pt2Emitters } from './pt2-nodes.ts';
import { metaOf, ProgramWriter } from './pt2-program.ts';

/** The schema's version (torch/_export/serde/schema.py), which PyTorch checks when it loads a program. */
const SCHEMA = { major: 8, minor: 20 };
/** Images for which PyTorch must be able to trust the program. */
const MAX_BATCH = 1 << 20;
/** The archive's one folder; PyTorch takes any name. */
const FOLDER = 'model';
const MODEL = 'model';

interface StoredTensor {
  readonly name: string;
  readonly tensor: Tensor;
  readonly isParameter: boolean;
}

const LEAF = { type: null, context: null, children_spec: [] };
const tuple = (children: readonly object[]): object => ({
  type: 'builtins.tuple',
  context: 'null',
  children_spec: children,
});
const spec = (tree: object): string => JSON.stringify([1, tree]);

function specOf(tree: OutputTree): object {
  if (tree.kind === 'tensor') return LEAF;
  const children = tree.parts.map(specOf);
  return tree.kind === 'tuple'
    ? tuple(children)
    : { type: 'builtins.dict', context: JSON.stringify(tree.keys), children_spec: children };
}

const leaves = (tree: OutputTree): readonly number[] =>
  tree.kind === 'tensor' ? [tree.output] : tree.parts.flatMap(leaves);

/** What the module returns: as the file that the network came from says, else its outputs in order. */
function returned({ outputs }: Graph): OutputTree {
  const all = outputs.map((_, output): OutputTree => ({ kind: 'tensor', output }));
  const plain: OutputTree = all.length === 1 ? all[0] : { kind: 'tuple', parts: all };
  return outputTree(outputs.map(({ places }) => places)) ?? plain;
}

function moduleCalls(tree: OutputTree): object[] {
  const arguments_ = tuple([tuple([LEAF]), { type: 'builtins.dict', context: '[]', children_spec: [] }]);
  return [
    {
      fqn: '',
      signature: {
        inputs: [],
        outputs: [],
        in_spec: spec(arguments_),
        out_spec: spec(specOf(tree)),
        forward_arg_names: ['images'],
      },
    },
  ];
}

/** Emits every node; the names of the outputs' values. */
function emit(
  graph: Graph,
  writer: ProgramWriter,
  images: string,
  parameters: ReadonlyMap<string, string>,
): readonly string[] {
  const shapes = inferShapes(graph);
  const names = new Map<ValueId, string>();
  const needed = new Set(graph.outputs.map(({ value }) => value));
  for (const node of graph.nodes.toReversed()) if (needed.has(node.id)) for (const id of node.inputs) needed.add(id);
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue;
    writer.node = node;
    const scope: Pt2Scope = {
      shape: shapes.get(node.id) as Shape,
      input: (i) => (node.kind === 'input' ? images : (names.get(node.inputs[i]) as string)),
      inputShape: (i) => shapes.get(node.inputs[i]) as Shape,
      parameter: (role) => parameters.get(node.parameters[role] as string) as string,
      hasParameter: (role) => node.parameters[role] !== undefined,
      constant: (of) => writer.constant(of),
      call: (target, inputs, shape) => writer.call(target, inputs, shape),
      callOfMany: (target, inputs, outputs, output) => writer.callOfMany(target, inputs, outputs)[output],
      sizes: (shape) => writer.sizes(shape),
    };
    names.set(
      node.id,
      (pt2Emitters[node.kind] as (node: GraphNode<OperationKind>, scope: Pt2Scope) => string)(node, scope),
    );
  }
  return graph.outputs.map(({ value }) => names.get(value) as string);
}

const entryOf = (file: string, { name, tensor: { dtype, shape }, isParameter }: StoredTensor): [string, object] => [
  name,
  { path_name: file, is_param: isParameter, use_pickle: false, tensor_meta: metaOf(dtype, shape, isParameter) },
];

interface Program {
  readonly json: string;
  readonly weights: readonly StoredTensor[];
  readonly constants: readonly StoredTensor[];
}

function programOf(graph: Graph, weights: Weights): Program {
  const stored = graph.parameters.map(({ name, trainable, dtype, shape }): StoredTensor => {
    const found = weights.get(name) ?? (dtype === 'int64' ? { dtype, shape, data: BigInt64Array.of(0n) } : undefined);
    if (!found) throw new UserError(`cannot export ${graph.name}: it has no weights for ${name}`);
    return { name, tensor: found, isParameter: trainable };
  });
  const writer = new ProgramWriter(graph, 'images');
  const images = writer.name('images');
  const parameters = new Map(
    stored.map(({ name, isParameter }) => [name, writer.name(`${isParameter ? 'p' : 'b'}_${name}`)]),
  );
  for (const { name, tensor: of, isParameter } of stored)
    writer.values[parameters.get(name) as string] = metaOf(of.dtype, of.shape, isParameter);
  writer.values[images] = metaOf('float32', inputShape(graph));
  const given = emit(graph, writer, images, parameters);
  const tree = returned(graph);
  const outputs = leaves(tree).map((output) => given[output]);
  const inputs = [...parameters.values(), ...writer.constants.map(({ value }) => value), images];
  const inputSpecs = [
    ...stored.map(({ name, isParameter }) => {
      const arg = { name: parameters.get(name) };
      return isParameter
        ? { parameter: { arg, parameter_name: name } }
        : { buffer: { arg, buffer_name: name, persistent: true } };
    }),
    ...writer.constants.map(({ value }) => ({
      tensor_constant: { arg: { name: value }, tensor_constant_name: value },
    })),
    { user_input: { arg: tensor(images) } },
  ];
  const program = {
    graph_module: {
      graph: {
        inputs: inputs.map(tensor),
        outputs: outputs.map(tensor),
        nodes: writer.nodes,
        tensor_values: writer.values,
        sym_int_values: writer.symbols,
        sym_bool_values: {},
        is_single_tensor_return: false,
        custom_obj_values: {},
        sym_float_values: {},
      },
      signature: {
        input_specs: inputSpecs,
        output_specs: outputs.map((name) => ({ user_output: { arg: tensor(name) } })),
      },
      module_call_graph: moduleCalls(tree),
      metadata: {},
      treespec_namedtuple_fields: {},
    },
    opset_version: { aten: 10 },
    range_constraints: { s0: { min_val: 1, max_val: MAX_BATCH } },
    schema_version: SCHEMA,
    verifiers: ['TRAINING'],
    torch_version: '2.9.0',
    guards_code: [],
  };
  return {
    json: JSON.stringify(program),
    weights: stored,
    constants: writer.constants.map(({ value, tensor: of }) => ({ name: value, tensor: of, isParameter: false })),
  };
}

/**
 * Writes the program in evaluation, atomically: input `images` [N, C, H, W], outputs where the file that the network came from has them, else in the Graph's order.
 * @param metadata text that stays with it, in a record that PyTorch passes over
 * @throws UserError for an operation that cannot be written, and where a weight is missing
 */
export async function writePt2(
  file: string,
  graph: Graph,
  weights: Weights,
  metadata: Readonly<Record<string, string>> = {},
  context: RunContext = {},
): Promise<void> {
  const program = programOf(graph, weights);
  await writeAtomically(file, (sink) => writeArchive(sink, program, metadata, context));
}

async function writeArchive(
  sink: WriteSink,
  program: Program,
  metadata: Readonly<Record<string, string>>,
  context: RunContext,
): Promise<void> {
  const zip = new ZipWriter(sink);
  const add = (name: string, data: string | Uint8Array): Promise<void> =>
    zip.add(`${FOLDER}/${name}`, typeof data === 'string' ? Buffer.from(data, 'utf8') : data);
  await add('archive_format', 'pt2');
  await add('archive_version', '0');
  await add('byteorder', 'little');
  await add('.data/version', '6\n');
  await add(`models/${MODEL}.json`, program.json);
  await add(`data/sample_inputs/${MODEL}.pt`, '');
  if (Object.keys(metadata).length) await add('extra/espalier.json', JSON.stringify(metadata));
  const total = program.weights.length + program.constants.length;
  let done = 0;
  for (const [part, prefix, list] of [
    ['weights', 'weight', program.weights],
    ['constants', 'tensor', program.constants],
  ] as const) {
    const entries = list.map((stored, i) => entryOf(`${prefix}_${i}`, stored));
    await add(`data/${part}/${MODEL}_${part}_config.json`, JSON.stringify({ config: Object.fromEntries(entries) }));
    for (const [i, { tensor: of }] of list.entries()) {
      context.signal?.throwIfAborted();
      await add(`data/${part}/${prefix}_${i}`, bytesOf(of.data));
      context.progress?.({ phase: 'write', done: ++done, total });
    }
  }
  await zip.finish();
}
