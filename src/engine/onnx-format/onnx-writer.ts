/** ONNX messages (onnx/onnx.proto), writing only. */

import { FreeNames } from '../../common/free-names.ts';
import type { Shape } from '../graph/operations.ts';
import type { Tensor } from '../graph/tensor.ts';
import { bytesField, type Chunk, encode, floatField, intField, messageField } from '../protobuf/protobuf-writer.ts';

/** Operator sets that can be written, with the version of the format that came with each (onnx/docs/Versioning.md). */
const IR_VERSIONS: ReadonlyMap<number, number> = new Map([
  [17, 8],
  [18, 8],
  [19, 9],
  [20, 9],
  [21, 10],
  [22, 10],
  [23, 11],
  [24, 12],
  [25, 13],
  [26, 13],
]);
/** What is written where nothing newer is wanted, and the newest that ONNX Runtime 1.30 runs. */
export const [OLDEST_OPSET, NEWEST_OPSET] = [Math.min(...IR_VERSIONS.keys()), Math.max(...IR_VERSIONS.keys())];
/** Version of every other domain, ONNX Runtime's `com.microsoft` among them. */
const CONTRIBUTED_OPSET = 1;

const ELEMENT_TYPE = { float32: 1, int32: 6, int64: 7 } as const;
type ElementType = keyof typeof ELEMENT_TYPE;
/** TensorProto.DataLocation. */
const EXTERNAL = 1;
/** Smaller tensors stay in the model, as onnx leaves them: shapes and indices among them must be there. */
const LEAST_EXTERNAL = 1024;
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 } as const;

export type OnnxAttribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly tensor: Tensor<'float32'> };

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

interface Initialiser {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

const headFields = ({ name, type, shape }: Initialiser): Chunk[] => [
  ...shape.map((size) => intField(1, size)),
  intField(2, ELEMENT_TYPE[type]),
  bytesField(8, name),
];
const tensorFields = (tensor: Initialiser): Chunk[] => [...headFields(tensor), bytesField(9, bytesOf(tensor.data))];

const entry = (field: number, key: string, value: string): Chunk =>
  messageField(field, [bytesField(1, key), bytesField(2, value)]);

/** Its elements are the bytes from `offset` on in another file. */
const tensorElsewhere = (tensor: Initialiser, location: string, offset: number): Chunk[] => [
  ...headFields(tensor),
  entry(13, 'location', location),
  entry(13, 'offset', String(offset)),
  entry(13, 'length', String(tensor.data.byteLength)),
  intField(14, EXTERNAL),
];

function attribute(name: string, value: OnnxAttribute): Chunk {
  const of = (type: keyof typeof ATTRIBUTE_TYPE, parts: readonly Chunk[]): Chunk =>
    messageField(5, [bytesField(1, name), ...parts, intField(20, ATTRIBUTE_TYPE[type])]);
  if (typeof value === 'number') return of('int', [intField(3, value)]);
  if (typeof value === 'string') return of('string', [bytesField(4, value)]);
  if ('float' in value) return of('float', [floatField(2, value.float)]);
  if ('tensor' in value) {
    const { shape, data } = value.tensor;
    return of('tensor', [messageField(5, tensorFields({ name: '', type: 'float32', shape, data }))]);
  }
  return of(
    'ints',
    value.map((v) => intField(8, v)),
  );
}

/** A value of the batch size has the name N; multiples of it `kN`. */
const dimension = (d: number): Chunk =>
  messageField(1, [d < 0 ? bytesField(2, d === -1 ? 'N' : `${-d}N`) : intField(1, d)]);

/** An input or output of the model; −k in its shape is k times the batch size. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: Shape;
  /** float32 by default. */
  readonly dtype?: ElementType;
}

const valueInfo = (field: number, { name, shape, dtype = 'float32' }: OnnxValue): Chunk =>
  messageField(field, [
    bytesField(1, name),
    messageField(2, [messageField(1, [intField(1, ELEMENT_TYPE[dtype]), messageField(2, shape.map(dimension))])]),
  ]);

export interface OnnxNode {
  readonly type: string;
  /** Names of values; '' leaves an optional one out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  /** ONNX's own operators by default; `com.microsoft` has ONNX Runtime's. */
  readonly domain?: string;
}

export interface OnnxInterface {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A model whose larger tensors lie in a file beside it. */
export interface OnnxParts {
  readonly model: Uint8Array;
  /** What that file has, in order: views of the tensors. */
  readonly data: readonly Uint8Array[];
}

/** Collects nodes and initialisers of one ONNX graph. */
export class OnnxWriter {
  readonly #nodes: Chunk[] = [];
  readonly #initialisers: Initialiser[] = [];
  readonly #names: Set<string>;
  readonly #domains = new Set(['']);
  readonly #free = new FreeNames();

  /** Version of ONNX's own operators. */
  readonly opset: number;

  /** @param given names that are used as they are, so that none that is made here is one of them */
  constructor(given: Iterable<string> = [], opset = OLDEST_OPSET) {
    this.#names = new Set(given);
    this.opset = opset;
  }

  /** Adds a node; its output has the name given, or one made from `base`. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    output: { readonly name: string } | { readonly base: string },
  ): string {
    const name = 'name' in output ? output.name : this.#unique(output.base);
    this.add({ type, inputs, outputs: [name], attributes });
    return name;
  }

  /** Adds a node as it is, named after its first output. */
  add({ type, inputs, outputs, attributes = {}, domain = '' }: OnnxNode): void {
    this.#domains.add(domain);
    this.#nodes.push(
      messageField(1, [
        ...inputs.map((input) => bytesField(1, input)),
        ...outputs.map((output) => bytesField(2, output)),
        bytesField(3, outputs[0]),
        bytesField(4, type),
        ...Object.entries(attributes).map(([key, value]) => attribute(key, value)),
        ...(domain ? [bytesField(7, domain)] : []),
      ]),
    );
  }

  float(name: string, shape: readonly number[], data: Float32Array): string {
    return this.#initialiser(name, 'float32', shape, data);
  }

  int64(name: string, shape: readonly number[], data: BigInt64Array): string {
    return this.#initialiser(name, 'int64', shape, data);
  }

  scalar(base: string, value: number): string {
    return this.float(this.#unique(base), [], Float32Array.of(value));
  }

  integers(base: string, values: readonly number[] | Int32Array): string {
    const data = BigInt64Array.from(values as readonly number[], BigInt);
    return this.int64(this.#unique(base), [data.length], data);
  }

  #initialiser(name: string, type: ElementType, shape: readonly number[], data: ArrayBufferView): string {
    this.#initialisers.push({ name, type, shape, data });
    return name;
  }

  #unique(base: string): string {
    const name = this.#free.find(base, (taken) => this.#names.has(taken));
    this.#names.add(name);
    return name;
  }

  /** Bytes of all initialisers. */
  get bytes(): number {
    return this.#initialisers.reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  /** The model's bytes. */
  finish(name: string, values: OnnxInterface): Uint8Array {
    return this.#model(name, values, this.#initialisers.map(tensorFields));
  }

  /** The model without its larger tensors, and these. @param location name of the file that they go to, in the model's folder */
  finishApart(name: string, values: OnnxInterface, location: string): OnnxParts {
    const data: Uint8Array[] = [];
    let offset = 0;
    const initialisers = this.#initialisers.map((tensor) => {
      if (tensor.data.byteLength < LEAST_EXTERNAL) return tensorFields(tensor);
      const fields = tensorElsewhere(tensor, location, offset);
      data.push(bytesOf(tensor.data));
      offset += tensor.data.byteLength;
      return fields;
    });
    return { model: this.#model(name, values, initialisers), data };
  }

  #model(
    name: string,
    { inputs, outputs, metadata = {} }: OnnxInterface,
    initialisers: readonly (readonly Chunk[])[],
  ): Uint8Array {
    const graph = [
      ...this.#nodes,
      bytesField(2, name),
      ...initialisers.map((fields) => messageField(5, fields)),
      ...inputs.map((value) => valueInfo(11, value)),
      ...outputs.map((value) => valueInfo(12, value)),
    ];
    return encode([
      intField(1, IR_VERSIONS.get(this.opset) as number),
      bytesField(2, 'espalier'),
      messageField(7, graph),
      ...[...this.#domains].map((domain) =>
        messageField(8, [bytesField(1, domain), intField(2, domain ? CONTRIBUTED_OPSET : this.opset)]),
      ),
      ...Object.entries(metadata).map(([key, value]) => entry(14, key, value)),
    ]);
  }
}
