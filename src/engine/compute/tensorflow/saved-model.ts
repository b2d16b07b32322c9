/**
 * The TensorFlow messages that a SavedModel needs (tensorflow/core/protobuf/{saved_model,meta_graph}.proto and tensorflow/core/framework/*.proto)
 * and their encoding. One file, `saved_model.pb`, is a whole SavedModel: the weights are variables that an `assign` signature fills in.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  bytesField,
  type Chunk,
  encode,
  floatField,
  intField,
  mapField,
  messageField,
} from '../../protobuf/protobuf-writer.ts';

/** Values of DataType (types.proto). Names are this project's, not TensorFlow's (`float32`, not `float`). */
export const DATA_TYPE = {
  float32: 1,
  float64: 2,
  int32: 3,
  uint8: 4,
  int16: 5,
  int8: 6,
  string: 7,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  float16: 19,
  resource: 20,
} as const;

export type TensorFlowType = keyof typeof DATA_TYPE;

/** Sizes with -1 where unknown until the graph runs; `undefined` where the rank is unknown too. */
export type PartialShape = readonly number[] | undefined;

/** A constant; `data` is little endian and row-major, and is not copied until the model is encoded. */
interface TensorProto {
  readonly dtype: TensorFlowType;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/** AttrValue (attr_value.proto): exactly one of these. */
export type AttrValue =
  | { readonly str: string | Uint8Array }
  | { readonly int: number | bigint }
  | { readonly float: number }
  | { readonly bool: boolean }
  | { readonly type: TensorFlowType }
  | { readonly shape: PartialShape }
  | { readonly tensor: TensorProto }
  | { readonly func: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly bools: readonly boolean[] }
  | { readonly strs: readonly string[] }
  | { readonly types: readonly TensorFlowType[] }
  | { readonly shapes: readonly PartialShape[] };

export type Attrs = Readonly<Record<string, AttrValue>>;

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  /** `node`, `node:1`, and after them control inputs `^node`. */
  readonly inputs: readonly string[];
  readonly attrs: Attrs;
  readonly device?: string;
}

/** A tensor at the edge of the graph; tfjs-node's binding feeds and fetches float32, int32, int64, bool and (feeds only) uint8. */
export interface TensorInfo {
  /** `node:index`. */
  readonly name: string;
  readonly dtype: TensorFlowType;
  readonly shape: PartialShape;
}

export interface SignatureDef {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly outputs: Readonly<Record<string, TensorInfo>>;
}

export interface SavedModel {
  readonly nodes: readonly NodeDef[];
  readonly signatures: Readonly<Record<string, SignatureDef>>;
}

export const SAVED_MODEL_TAG = 'serve';
const SCHEMA_VERSION = 1;
/** TF_GRAPH_DEF_VERSION of TensorFlow 2.21. */
const PRODUCER_VERSION = 1882;
const WRITER_VERSION = '2.21.0';
const METHOD_NAME = 'tensorflow/serving/predict';
/** Protocol buffers cannot be longer. */
const MAX_BYTES = 2 ** 31 - 1;

function shapeProto(field: number, shape: PartialShape): Chunk {
  if (!shape) return messageField(field, [intField(3, true)]);
  return messageField(
    field,
    shape.map((size) => messageField(2, [intField(1, size)])),
  );
}

function tensorProto(field: number, { dtype, shape, data }: TensorProto): Chunk {
  const content = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return messageField(field, [intField(1, DATA_TYPE[dtype]), shapeProto(2, shape), bytesField(4, content)]);
}

type AttrKind = AttrValue extends infer A ? (A extends AttrValue ? keyof A : never) : never;
type AttrPayload<K extends AttrKind> =
  Extract<AttrValue, { readonly [P in K]: unknown }> extends { readonly [P in K]: infer V } ? V : never;

/** The fields of AttrValue, and of its ListValue. */
const attrFields: { readonly [K in AttrKind]: (value: AttrPayload<K>) => Chunk } = {
  str: (value) => bytesField(2, value),
  int: (value) => intField(3, value),
  float: (value) => floatField(4, value),
  bool: (value) => intField(5, value),
  type: (value) => intField(6, DATA_TYPE[value]),
  shape: (value) => shapeProto(7, value),
  tensor: (value) => tensorProto(8, value),
  func: (value) => messageField(10, [bytesField(1, value)]),
  strs: (values) => listField(values.map((value) => bytesField(2, value))),
  ints: (values) => listField(values.map((value) => intField(3, value))),
  floats: (values) => listField(values.map((value) => floatField(4, value))),
  bools: (values) => listField(values.map((value) => intField(5, value))),
  types: (values) => listField(values.map((value) => intField(6, DATA_TYPE[value]))),
  shapes: (values) => listField(values.map((value) => shapeProto(7, value))),
};

const listField = (values: readonly Chunk[]): Chunk => messageField(1, values);

function attrValue(field: number, attr: AttrValue): Chunk {
  const [kind, value] = Object.entries(attr)[0] as [AttrKind, never];
  return messageField(field, [(attrFields[kind] as (value: never) => Chunk)(value)]);
}

function nodeDef(field: number, node: NodeDef): Chunk {
  const parts: Chunk[] = [bytesField(1, node.name), bytesField(2, node.op)];
  for (const input of node.inputs) parts.push(bytesField(3, input));
  if (node.device) parts.push(bytesField(4, node.device));
  parts.push(...mapField(5, node.attrs, attrValue));
  return messageField(field, parts);
}

const tensorInfo = (field: number, info: TensorInfo): Chunk =>
  messageField(field, [bytesField(1, info.name), intField(2, DATA_TYPE[info.dtype]), shapeProto(3, info.shape)]);

const signatureDef = (field: number, signature: SignatureDef): Chunk =>
  messageField(field, [
    ...mapField(1, signature.inputs, tensorInfo),
    ...mapField(2, signature.outputs, tensorInfo),
    bytesField(3, METHOD_NAME),
  ]);

/** The bytes of `saved_model.pb`. Throws a RangeError where constants make it longer than a protocol buffer may be (2 GiB). */
export function encodeSavedModel(model: SavedModel): Uint8Array {
  const metaInfo = messageField(1, [bytesField(4, SAVED_MODEL_TAG), bytesField(5, WRITER_VERSION)]);
  const graph = messageField(2, [
    ...model.nodes.map((node) => nodeDef(1, node)),
    messageField(4, [intField(1, PRODUCER_VERSION)]),
  ]);
  const metaGraph = messageField(2, [metaInfo, graph, ...mapField(5, model.signatures, signatureDef)]);
  if (metaGraph.length > MAX_BYTES) {
    throw new RangeError(
      `A graph of ${metaGraph.length} bytes is too large for a SavedModel: keep weights in variables.`,
    );
  }
  return encode([intField(1, SCHEMA_VERSION), metaGraph]);
}

/** Writes `folder/saved_model.pb`, making the folder. */
export function writeSavedModel(folder: string, model: SavedModel): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'saved_model.pb'), encodeSavedModel(model));
}
