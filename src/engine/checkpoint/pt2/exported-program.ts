/**
 * The JSON of an exported program (torch/_export/serde/schema.py, version 8): the parts that say what the network computes, checked and typed.
 * Nothing in it is executed.
 */
import type { OutputPlace } from '../../graph/output-places.ts';
import { returnedPlaces } from './return-value.ts';

/** An argument of a call: one of its `as_…` fields is filled. */
export type Argument =
  | { readonly kind: 'none' }
  | { readonly kind: 'tensor'; readonly name: string }
  | { readonly kind: 'tensors'; readonly names: readonly (string | undefined)[] }
  /** A name is a size that the program computes. */
  | { readonly kind: 'ints'; readonly values: readonly (number | string)[]; readonly single: boolean }
  | { readonly kind: 'floats'; readonly values: readonly number[]; readonly single: boolean }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string }
  /** PyTorch's number of an element type. */
  | { readonly kind: 'type'; readonly value: number }
  | { readonly kind: 'graph'; readonly graph: ProgramGraph }
  | { readonly kind: 'other' };

export interface ProgramNode {
  /** `torch.ops.aten.conv2d.default` */
  readonly target: string;
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly argument: Argument }[];
  /** Names of the values that it gives, lists of tensors one after the other. */
  readonly outputs: readonly string[];
  /** Modules around it, from the root inwards. */
  readonly modules: readonly { readonly path: string; readonly type: string }[];
}

/** A size: fixed, or −k for k times the batch; undefined for another symbol. */
export type ProgramSize = number | undefined;

export interface TensorMeta {
  /** PyTorch's number of the element type. */
  readonly type: number;
  readonly sizes: readonly ProgramSize[];
}

export interface ProgramGraph {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly ProgramNode[];
  readonly tensors: ReadonlyMap<string, TensorMeta>;
}

export interface ExportedProgram {
  readonly graph: ProgramGraph;
  /** Inputs that are parameters, buffers or constants: names in the state dict or of constants. */
  readonly stored: readonly { readonly value: string; readonly name: string; readonly kind: StoredKind }[];
  /** Inputs that a person gives, in order. */
  readonly userInputs: readonly string[];
  /** '' for what is no tensor. */
  readonly userOutputs: readonly string[];
  /** Where the module's return value has each of them. */
  readonly outputPlaces?: readonly OutputPlace[];
  readonly torchVersion: string;
}

type StoredKind = 'parameter' | 'buffer' | 'constant';

/** What is wrong with the JSON, without the file's name. */
export class ProgramError extends Error {}

type Json = Readonly<Record<string, unknown>>;
const MAX_NODES = 1 << 18;

const fail = (what: string): never => {
  throw new ProgramError(what);
};
const object = (value: unknown, what: string): Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Json) : fail(`${what} is no object`);
const list = (value: unknown, what: string): readonly unknown[] =>
  Array.isArray(value) && value.length <= MAX_NODES ? value : fail(`${what} is no list, or too long`);
const text = (value: unknown, what: string): string =>
  typeof value === 'string' && value.length < 4096 ? value : fail(`${what} is no name`);
const number = (value: unknown, what: string): number =>
  typeof value === 'number' ? value : fail(`${what} is no number`);
/** Infinity and NaN are strings in it. */
const float = (value: unknown): number =>
  typeof value === 'string'
    ? Number(
        value
          .replace('inf', 'Inf')
          .replace('Infinity', 'Infinity')
          .replace(/^(-?)Inf$/, '$1Infinity'),
      )
    : number(value, 'a number');
/** A size that a dimension can have. */
const count = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : fail('a size is no whole number');
const nameOf = (value: unknown): string => text(object(value, 'a value')['name'], 'its name');

/** The one field of a tagged union. */
function tagged(value: unknown, what: string): readonly [string, unknown] {
  const entries = Object.entries(object(value, what));
  return entries.length === 1 ? entries[0] : fail(`${what} has ${entries.length} fields`);
}

const symbolicInt = (value: unknown): number | string => {
  const [tag, content] = tagged(value, 'a size');
  return tag === 'as_int' ? number(content, 'a size') : text(content, 'a size');
};

function argumentOf(value: unknown, scope: MetaScope): Argument {
  const [tag, content] = tagged(value, 'an argument');
  switch (tag) {
    case 'as_none':
      return { kind: 'none' };
    case 'as_tensor':
      return { kind: 'tensor', name: nameOf(content) };
    case 'as_tensors':
      return { kind: 'tensors', names: list(content, tag).map(nameOf) };
    case 'as_optional_tensors':
      return {
        kind: 'tensors',
        names: list(content, tag).map((each) =>
          tagged(each, tag)[0] === 'as_tensor' ? nameOf(tagged(each, tag)[1]) : undefined,
        ),
      };
    case 'as_int':
      return { kind: 'ints', values: [number(content, tag)], single: true };
    case 'as_ints':
      return { kind: 'ints', values: list(content, tag).map((each) => number(each, tag)), single: false };
    case 'as_sym_int':
      return { kind: 'ints', values: [symbolicInt(content)], single: true };
    case 'as_sym_ints':
      return { kind: 'ints', values: list(content, tag).map(symbolicInt), single: false };
    case 'as_float':
      return { kind: 'floats', values: [float(content)], single: true };
    case 'as_floats':
      return { kind: 'floats', values: list(content, tag).map(float), single: false };
    case 'as_bool':
      return { kind: 'bool', value: Boolean(content) };
    case 'as_string':
      return { kind: 'string', value: text(content, tag) };
    case 'as_scalar_type':
      return { kind: 'type', value: number(content, tag) };
    case 'as_graph':
      return { kind: 'graph', graph: graphOf(object(content, tag)['graph'], scope) };
    default:
      return { kind: 'other' };
  }
}

/** The batch's symbol, once an input has said it. */
interface MetaScope {
  symbol?: string;
}

/** `Symbol('s77', …)` is the batch, `Mul(Integer(49), Symbol('s77', …))` 49 times the batch. */
function sizeOf(value: unknown, scope: MetaScope): ProgramSize {
  const [tag, content] = tagged(value, 'a size');
  if (tag === 'as_int') return count(content);
  const expression = text(object(content, 'a size')['expr_str'], 'a size');
  const found = /^(?:Mul\(Integer\((\d+)\), )?Symbol\('(\w+)'[^()]*\)\)?$/.exec(expression);
  if (!found || (scope.symbol !== undefined && found[2] !== scope.symbol)) return undefined;
  return -Math.max(1, count(Number(found[1] ?? 1)));
}

function metaOf(value: unknown, scope: MetaScope): TensorMeta {
  const meta = object(value, 'a tensor');
  return {
    type: number(meta['dtype'], 'an element type'),
    sizes: list(meta['sizes'], 'sizes').map((size) => sizeOf(size, scope)),
  };
}

/** `L__self___layer1,layer1,torch.nn.modules.container.Sequential;…`; a module that is called again has `@1` after its path. */
function modulesOf(node: Json): ProgramNode['modules'] {
  const { nn_module_stack: stack } = object(node['metadata'] ?? {}, 'metadata');
  if (typeof stack !== 'string' || stack.startsWith('_empty_nn_module_stack')) return [];
  return stack.split(';').map((entry) => {
    const [, path = '', type = ''] = entry.split(',');
    return { path: path.replace(/@\d+/g, ''), type: type.slice(type.lastIndexOf('.') + 1) };
  });
}

function nodeOf(value: unknown, scope: MetaScope): ProgramNode {
  const node = object(value, 'a node');
  const outputs = list(node['outputs'], 'outputs').flatMap((output): readonly string[] => {
    const [tag, content] = tagged(output, 'an output');
    if (tag === 'as_tensor') return [nameOf(content)];
    if (tag === 'as_tensors') return list(content, tag).map(nameOf);
    if (tag === 'as_sym_int') return [String(symbolicNameOf(content))];
    return [''];
  });
  const name = typeof node['name'] === 'string' ? node['name'] : (outputs[0] ?? '');
  return {
    target: text(node['target'], 'a target'),
    name,
    inputs: list(node['inputs'], 'inputs').map((input) => {
      const { name: label, arg } = object(input, 'an input');
      return { name: text(label, 'an argument'), argument: argumentOf(arg, scope) };
    }),
    outputs,
    modules: modulesOf(node),
  };
}

const symbolicNameOf = (content: unknown): unknown => Object.values(object(content, 'a size'))[0];

const valueNames = (values: unknown): readonly string[] =>
  list(values, 'values').map((value) => {
    const [tag, content] = tagged(value, 'a value');
    return tag === 'as_tensor' ? nameOf(content) : '';
  });

function graphOf(value: unknown, scope: MetaScope): ProgramGraph {
  const graph = object(value, 'the graph');
  const entries = Object.entries(object(graph['tensor_values'], 'tensor_values'));
  if (entries.length > 4 * MAX_NODES) fail('it has too many values');
  return {
    inputs: valueNames(graph['inputs']),
    outputs: valueNames(graph['outputs']),
    tensors: new Map(entries.map(([name, meta]) => [name, metaOf(meta, scope)])),
    nodes: list(graph['nodes'], 'nodes').map((node) => nodeOf(node, scope)),
  };
}

interface Signature extends Pick<ExportedProgram, 'stored' | 'userInputs' | 'userOutputs'> {}

const STORED_FIELDS: Readonly<Record<string, readonly [field: string, kind: StoredKind]>> = {
  parameter: ['parameter_name', 'parameter'],
  buffer: ['buffer_name', 'buffer'],
  tensor_constant: ['tensor_constant_name', 'constant'],
};

function signatureOf(value: unknown): Signature {
  const signature = object(value, 'the signature');
  const stored: ExportedProgram['stored'][number][] = [];
  const userInputs: string[] = [];
  for (const spec of list(signature['input_specs'], 'input_specs')) {
    const [tag, content] = tagged(spec, 'an input');
    const fields = object(content, 'an input');
    const known = STORED_FIELDS[tag];
    if (known) stored.push({ value: nameOf(fields['arg']), name: text(fields[known[0]], known[0]), kind: known[1] });
    else if (tag === 'user_input') {
      const [type, argument] = tagged(fields['arg'], 'an input');
      userInputs.push(type === 'as_tensor' ? nameOf(argument) : '');
    } else fail(`an input is a ${tag}`);
  }
  const userOutputs = list(signature['output_specs'], 'output_specs').flatMap((spec): readonly string[] => {
    const [tag, content] = tagged(spec, 'an output');
    if (tag !== 'user_output') return [];
    const [type, argument] = tagged(object(content, 'an output')['arg'], 'an output');
    return [type === 'as_tensor' ? nameOf(argument) : ''];
  });
  return { stored, userInputs, userOutputs };
}

/** The symbol that the first size of the images is, if the batch is open. */
function batchSymbol(graph: Json, input: string | undefined): string | undefined {
  if (input === undefined) return undefined;
  const meta = object(object(graph['tensor_values'], 'tensor_values')[input], `the input ${input}`);
  const [first] = list(meta['sizes'], 'sizes');
  if (first === undefined) return undefined;
  const [tag, content] = tagged(first, 'a size');
  if (tag !== 'as_expr') return undefined;
  return /^Symbol\('(\w+)'/.exec(text(object(content, 'a size')['expr_str'], 'a size'))?.[1];
}

/** @throws ProgramError with what it is that is no JSON */
export function parseJson(json: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return fail(`${what} is no JSON`);
  }
}

/**
 * Parses `models/model.json`.
 * @throws ProgramError where it is not what PyTorch writes
 */
export function parseProgram(json: string): ExportedProgram {
  const program = object(parseJson(json, 'it'), 'it');
  const version = object(program['schema_version'], 'schema_version')['major'];
  if (version !== 8) fail(`its schema has version ${String(version)}; Espalier reads 8 (PyTorch 2.9 and later)`);
  const graphModule = object(program['graph_module'], 'graph_module');
  const signature = signatureOf(graphModule['signature']);
  const graph = object(graphModule['graph'], 'the graph');
  const symbol = batchSymbol(graph, signature.userInputs[0]);
  const places = returnedPlaces(graphModule['module_call_graph']);
  return {
    ...signature,
    ...(places?.length === signature.userOutputs.length && { outputPlaces: places }),
    // Without an open batch, any symbol is one that cannot be followed.
    graph: graphOf(graph, { symbol: symbol ?? '' }),
    torchVersion: typeof program['torch_version'] === 'string' ? program['torch_version'] : '',
  };
}
