/** Checks a Graph that comes from a file: types, ranges, references and sizes, so that nothing that reads a Graph meets a surprise. */
import * as v from 'valibot';
import type { Graph, GraphNode, ParameterSpec } from './graph.ts';
import { ENDINGS, inputShape } from './graph.ts';
import { natural, operationSchemas, positive, sizes } from './operation-schemas.ts';
import {
  type OperationAttributes,
  type OperationKind,
  operations,
  type ParameterRole,
  type Shape,
} from './operations.ts';
import { inferShapes, ShapeError, sizePerImage } from './shapes.ts';
import type { DType } from './tensor.ts';
import { validateGraph } from './validate.ts';

const MAX_NODES = 100_000;
/** Elements of one value for one image, and of one parameter. */
const MAX_ELEMENTS = 2 ** 36;

const name = v.pipe(v.string(), v.maxLength(1024));
const kinds = Object.keys(operationSchemas) as [OperationKind, ...OperationKind[]];
const roles = ['weight', 'bias', 'runningMean', 'runningVar', 'batchCount', 'value'] as const satisfies ParameterRole[];
const dtypes = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
] as const;

const node = v.object({
  id: name,
  kind: v.picklist(kinds),
  attributes: v.record(v.string(), v.unknown()),
  inputs: v.pipe(v.array(name), v.maxLength(10_000)),
  parameters: v.record(v.picklist(roles), name),
  module: name,
  moduleType: name,
  counted: v.boolean(),
});

const parameter = v.object({
  name,
  shape: sizes,
  dtype: v.picklist(dtypes satisfies readonly DType[]),
  trainable: v.boolean(),
});

const side = v.pipe(positive, v.maxValue(65_536));
const three = v.tuple([v.number(), v.number(), v.number()]);
const input = v.object({
  channels: side,
  height: side,
  width: side,
  mean: v.pipe(
    three,
    v.check((m) => m.every(Number.isFinite)),
  ),
  std: v.pipe(
    three,
    v.check((s) => s.every((x) => Number.isFinite(x) && x > 0), 'is not above 0'),
  ),
  resize: v.pipe(natural, v.maxValue(65_536)),
  interpolation: v.picklist(['bilinear', 'bicubic', 'lanczos', 'nearest']),
  fit: v.exactOptional(v.picklist(['stretch', 'letterbox'])),
  order: v.exactOptional(v.literal('bgr')),
});

const places = v.pipe(
  v.array(v.pipe(v.array(v.union([name, natural])), v.maxLength(16))),
  v.minLength(1),
  v.maxLength(64),
);

const graph = v.object({
  name,
  family: name,
  input,
  classes: natural,
  nodes: v.pipe(v.array(node), v.minLength(1), v.maxLength(MAX_NODES)),
  parameters: v.pipe(v.array(parameter), v.maxLength(MAX_NODES)),
  modules: v.pipe(v.array(v.object({ path: name, type: name })), v.maxLength(MAX_NODES)),
  outputs: v.pipe(
    v.array(v.object({ name, value: name, places: v.exactOptional(places) })),
    v.minLength(1),
    v.maxLength(64),
  ),
  trainingOutputs: v.pipe(v.array(name), v.minLength(1), v.maxLength(64)),
  tiedChannels: v.exactOptional(v.pipe(v.array(v.tuple([name, name])), v.maxLength(MAX_NODES))),
  ending: v.exactOptional(v.picklist(ENDINGS)),
});

/** `nodes.3.kind: Invalid type: Expected …`: the first thing that is wrong, short. */
export function firstIssue(issues: readonly v.BaseIssue<unknown>[]): string {
  const [issue] = issues;
  return `${v.getDotPath(issue) ?? 'it'}: ${issue.message.slice(0, 200)}`;
}

function parsed<S extends v.GenericSchema>(schema: S, value: unknown, of = ''): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) throw new Error(`${of}${firstIssue(result.issues)}`);
  return result.output;
}

function checkNode(found: v.InferOutput<typeof node>, parameters: ReadonlyMap<string, ParameterSpec>): GraphNode {
  const schema = operationSchemas[found.kind];
  const attributes = parsed(schema.attributes as v.GenericSchema, found.attributes, `${found.id} (${found.kind}): `);
  const [fewest, most] = schema.inputs;
  if (found.inputs.length < fewest || found.inputs.length > most)
    throw new ShapeError(found, `takes ${fewest === most ? fewest : 'more'} inputs and has ${found.inputs.length}`);
  const wanted = Object.entries(schema.roles ?? {});
  const missing = wanted.find(([role]) => found.parameters[role as ParameterRole] === undefined);
  if (missing) throw new ShapeError(found, `has no parameter for its ${missing[0]}`);
  const taken: readonly ParameterRole[] = operations[found.kind].parameters;
  for (const [role, of] of Object.entries(found.parameters)) {
    const spec = parameters.get(of);
    if (!spec) throw new ShapeError(found, `its ${role} ${of} is not among the parameters`);
    const rank = schema.roles?.[role as ParameterRole];
    if (rank !== undefined && spec.shape.length !== rank)
      throw new ShapeError(found, `its ${role} has ${spec.shape.length} dimensions instead of ${rank}`);
    if (!taken.includes(role as ParameterRole)) throw new ShapeError(found, `takes no ${role}`);
  }
  return { ...found, attributes } as GraphNode;
}

/** What only shapes tell: whether the dimensions that an operation names exist, and whether sizes can be. */
function checkShapes(of: Graph): void {
  const visit = (at: GraphNode, inputs: readonly Shape[]): void => {
    const { axes, check } = operationSchemas[at.kind] as {
      axes?: (attributes: OperationAttributes[OperationKind]) => readonly number[];
      check?: (attributes: OperationAttributes[OperationKind], inputs: readonly Shape[]) => string | undefined;
    };
    const beyond = axes?.(at.attributes).find((axis) => axis >= inputs[0].length);
    if (beyond !== undefined) throw new ShapeError(at, `its input has no dimension ${beyond}`);
    const problem = check?.(at.attributes, inputs);
    if (problem) throw new ShapeError(at, problem);
  };
  for (const [id, shape] of inferShapes(of, visit)) {
    if (!shape.every((size) => Number.isSafeInteger(size) && size !== 0) || sizePerImage(shape) > MAX_ELEMENTS)
      throw new Error(`${id}: its value would be [${shape.join(', ')}]`);
  }
}

/**
 * The Graph that a parsed file holds, every field checked; unknown fields are left out.
 * @throws Error with the place and what is wrong there
 */
export function checkedGraph(value: unknown): Graph {
  const found = parsed(graph, value);
  const parameters = new Map(found.parameters.map((p) => [p.name, p]));
  if (parameters.size !== found.parameters.length) throw new Error('two parameters have one name');
  const large = found.parameters.find((p) => sizePerImage(p.shape) > MAX_ELEMENTS);
  if (large) throw new Error(`parameter ${large.name} would be [${large.shape.join(', ')}]`);
  const nodes = found.nodes.map((n) => checkNode(n, parameters));
  const checked: Graph = { ...found, nodes };
  const inputs = nodes.filter((n) => n.kind === 'input');
  if (inputs.length !== 1 || nodes[0].kind !== 'input')
    throw new Error('its first node, and no other, must be the input');
  if (String(nodes[0].attributes.shape) !== String(inputShape(checked)))
    throw new ShapeError(nodes[0], `is [${nodes[0].attributes.shape}], and images are [${inputShape(checked)}]`);
  checkShapes(checked);
  validateGraph(checked);
  return checked;
}
