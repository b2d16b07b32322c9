/** The messages of an ONNX file (onnx/onnx.proto) as typed values: what an import needs of them. */

import { Budget } from '../../../common/budget.ts';
import {
  appendFixed,
  appendIntegers,
  countIntegers,
  type Field,
  fields,
  float,
  integer,
  ProtobufError,
  text,
} from '../../protobuf/protobuf-reader.ts';
import { type OnnxTensor, parseEntry, parseTensor } from './onnx-tensor.ts';

/** Value of an attribute. Graphs inside nodes (branches, loops) are read where they are asked for. */
export type OnnxAttribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'graph'; read(): OnnxGraph }
  | { readonly kind: 'other' };

export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  /** '' for ONNX's own operators. */
  readonly domain: string;
  /** Names of values; '' for an optional one that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
  /** What exporters note about it: the module that it comes from. */
  readonly metadata: ReadonlyMap<string, string>;
}

export interface OnnxValue {
  readonly name: string;
  /** Sizes; a name for a size that is open, '' for one that is not said. Undefined: not said at all. */
  readonly shape?: readonly (number | string)[];
  /** TensorProto.DataType; undefined: not said. */
  readonly elementType?: number;
}

/** A network, or a branch of one. */
export interface OnnxGraph {
  readonly graphName: string;
  /** In an order in which every node comes after its inputs, if the file keeps to the standard. */
  readonly nodes: readonly OnnxNode[];
  readonly initialisers: ReadonlyMap<string, OnnxTensor>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

export interface OnnxModel extends OnnxGraph {
  readonly producer: string;
  /** Versions of the operator sets by domain; '' is ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Of the file: what is made of the model is counted in it. */
  readonly budget: Budget;
  /**
   * What to take in the place of a node that cannot be taken over, and of the nodes of its name that follow: a reader of another format
   * knows of a whole call what ONNX says of its parts. Undefined: nothing.
   */
  keep?(node: OnnxNode, reason: string): readonly OnnxNode[] | undefined;
}

/** Nodes and initialisers that a network can sensibly have: more are an attack on the memory. */
const MAX_ITEMS = 1 << 18;
/** A message is a record with a table of readers. */
const MESSAGE_VALUES = 5;

function push<T>(list: T[], item: T, what: string): void {
  if (list.length >= MAX_ITEMS) throw new ProtobufError(`it has more than ${MAX_ITEMS} ${what}`);
  list.push(item);
}

/** AttributeProto: the field that is filled says the type, where the file does not. */
function parseAttribute(message: Uint8Array, budget: Budget): [name: string, value: OnnxAttribute] {
  budget.spend('values', MESSAGE_VALUES);
  let name = '';
  let type = 0;
  const found: { f?: number; i?: number; s?: string; t?: OnnxTensor; g?: Uint8Array } = {};
  const ints: number[] = [];
  const floatBytes: Uint8Array[] = [];
  const on: Readonly<Record<number, (field: Field) => void>> = {
    1: (field) => {
      name = text(field);
    },
    2: (field) => {
      found.f = float(field);
    },
    3: (field) => {
      found.i = integer(field);
    },
    // A string attribute may hold any bytes.
    4: ({ bytes }) => {
      found.s = Buffer.from(bytes).toString('utf8');
    },
    5: ({ bytes }) => {
      found.t = parseTensor(bytes, budget);
    },
    6: ({ bytes }) => {
      found.g = bytes;
    },
    7: (field) => {
      budget.spend('values', field.bytes.length / 4);
      appendFixed(floatBytes, field, 4);
    },
    8: (field) => {
      budget.spend('values', countIntegers(field));
      appendIntegers(ints, field);
    },
    20: (field) => {
      type = integer(field);
    },
  };
  for (const field of fields(message)) on[field.number]?.(field);
  const floats = (): number[] => {
    const bytes = Buffer.concat(floatBytes);
    return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
  };
  const isType = (number: number, filled: boolean): boolean => type === number || (type === 0 && filled);
  // Protobuf leaves out a field of the value 0: the type says that it is there.
  if (isType(1, found.f !== undefined)) return [name, { kind: 'float', value: found.f ?? 0 }];
  if (isType(2, found.i !== undefined)) return [name, { kind: 'int', value: found.i ?? 0 }];
  if (isType(3, found.s !== undefined)) return [name, { kind: 'string', value: found.s ?? '' }];
  if (isType(4, found.t !== undefined) && found.t) return [name, { kind: 'tensor', value: found.t }];
  const graph = found.g;
  if (isType(5, graph !== undefined) && graph) return [name, { kind: 'graph', read: () => parseGraph(graph, budget) }];
  if (isType(6, floatBytes.length > 0)) return [name, { kind: 'floats', value: floats() }];
  if (isType(7, ints.length > 0)) return [name, { kind: 'ints', value: ints }];
  return [name, { kind: 'other' }];
}

function parseNode(message: Uint8Array, budget: Budget): OnnxNode {
  budget.spend('values', MESSAGE_VALUES);
  let [name, opType, domain] = ['', '', ''];
  const [inputs, outputs]: [string[], string[]] = [[], []];
  const attributes = new Map<string, OnnxAttribute>();
  const metadata = new Map<string, string>();
  const on: Readonly<Record<number, (field: Field) => void>> = {
    1: (field) => {
      budget.spend('values');
      push(inputs, text(field), 'inputs of one node');
    },
    2: (field) => {
      budget.spend('values');
      push(outputs, text(field), 'outputs of one node');
    },
    3: (field) => {
      name = text(field);
    },
    4: (field) => {
      opType = text(field);
    },
    5: ({ bytes }) => attributes.set(...parseAttribute(bytes, budget)),
    7: (field) => {
      domain = text(field);
    },
    9: ({ bytes }) => {
      budget.spend('values', 2);
      metadata.set(...parseEntry(bytes));
    },
  };
  for (const field of fields(message)) on[field.number]?.(field);
  return { name, opType, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, attributes, metadata };
}

/** The message in a field of another message, if it has one. */
function inside(message: Uint8Array | undefined, number: number): Uint8Array | undefined {
  if (!message) return undefined;
  for (const field of fields(message)) if (field.number === number && field.wire === 'bytes') return field.bytes;
  return undefined;
}

/** The number in a field of a message, if it has one. */
function numberInside(message: Uint8Array | undefined, number: number): number | undefined {
  if (!message) return undefined;
  for (const field of fields(message)) if (field.number === number && field.wire === 'varint') return integer(field);
  return undefined;
}

/** ValueInfoProto: its type is a tensor type, whose shape is a list of sizes or names. */
function parseValue(message: Uint8Array, budget: Budget): OnnxValue {
  budget.spend('values', MESSAGE_VALUES);
  let name = '';
  let type: Uint8Array | undefined;
  for (const field of fields(message)) {
    if (field.number === 1) name = text(field);
    if (field.number === 2) type = field.bytes;
  }
  const tensorType = inside(type, 1);
  const elementType = numberInside(tensorType, 1);
  const kind = elementType === undefined ? {} : { elementType };
  const dimensions = inside(tensorType, 2);
  if (!dimensions) return { name, ...kind };
  const shape: (number | string)[] = [];
  for (const dimension of fields(dimensions)) {
    if (dimension.number !== 1) continue;
    budget.spend('values');
    let size: number | string = '';
    for (const field of fields(dimension.bytes)) {
      if (field.number === 1) size = integer(field);
      if (field.number === 2) size = text(field);
    }
    push(shape, size, 'dimensions of one value');
  }
  return { name, shape, ...kind };
}

/**
 * A ModelProto.
 * @param budget of the file that the bytes are from
 * @throws ProtobufError where the bytes are no well-formed ONNX model
 */
export function parseOnnx(bytes: Uint8Array, budget = new Budget('the model', bytes.length)): OnnxModel {
  let producer = '';
  let graph: Uint8Array | undefined;
  const opsets = new Map<string, number>();
  const metadata = new Map<string, string>();
  for (const field of fields(bytes)) {
    if (field.number === 2) producer = text(field);
    if (field.number === 7) graph = field.bytes;
    if (field.number === 8) opsets.set(...parseOpset(field.bytes));
    if (field.number === 14) metadata.set(...parseEntry(field.bytes));
  }
  if (!graph) throw new ProtobufError('it holds no graph');
  return { producer, opsets, metadata, ...parseGraph(graph, budget), budget };
}

function parseOpset(message: Uint8Array): [domain: string, version: number] {
  let [domain, version] = ['', 1];
  for (const field of fields(message)) {
    if (field.number === 1) domain = text(field);
    if (field.number === 2) version = integer(field);
  }
  return [domain === 'ai.onnx' ? '' : domain, version];
}

function parseGraph(message: Uint8Array, budget: Budget): OnnxGraph {
  let graphName = '';
  const nodes: OnnxNode[] = [];
  const tensors: OnnxTensor[] = [];
  const [inputs, outputs]: [OnnxValue[], OnnxValue[]] = [[], []];
  const on: Readonly<Record<number, (field: Field) => void>> = {
    1: ({ bytes }) => push(nodes, parseNode(bytes, budget), 'nodes'),
    2: (field) => {
      graphName = text(field);
    },
    5: ({ bytes }) => push(tensors, parseTensor(bytes, budget), 'tensors'),
    11: ({ bytes }) => push(inputs, parseValue(bytes, budget), 'inputs'),
    12: ({ bytes }) => push(outputs, parseValue(bytes, budget), 'outputs'),
    15: () => {
      throw new ProtobufError('it holds sparse tensors, which Espalier does not read');
    },
  };
  for (const field of fields(message)) on[field.number]?.(field);
  const initialisers = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return { graphName, nodes, initialisers, inputs, outputs };
}
