/** ONNX messages (onnx/onnx.proto, IR version 8), writing only. */

import type { Shape } from '../graph/operations.ts';
import type { Tensor } from '../graph/tensor.ts';
import { bytesField, type Chunk, encode, floatField, intField, messageField } from '../protobuf/protobuf-writer.ts';

const IR_VERSION = 8;
export const OPSET = 17;

const ELEMENT_TYPE = { float32: 1, int64: 7 } as const;
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 } as const;

export type OnnxAttribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly tensor: Tensor<'float32'> };

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const tensorFields = (
  name: string,
  type: keyof typeof ELEMENT_TYPE,
  shape: readonly number[],
  data: ArrayBufferView,
): Chunk[] => [
  ...shape.map((size) => intField(1, size)),
  intField(2, ELEMENT_TYPE[type]),
  bytesField(8, name),
  bytesField(9, bytesOf(data)),
];

function attribute(name: string, value: OnnxAttribute): Chunk {
  const of = (type: keyof typeof ATTRIBUTE_TYPE, parts: readonly Chunk[]): Chunk =>
    messageField(5, [bytesField(1, name), ...parts, intField(20, ATTRIBUTE_TYPE[type])]);
  if (typeof value === 'number') return of('int', [intField(3, value)]);
  if (typeof value === 'string') return of('string', [bytesField(4, value)]);
  if ('float' in value) return of('float', [floatField(2, value.float)]);
  if ('tensor' in value) {
    const { shape, data } = value.tensor;
    return of('tensor', [messageField(5, tensorFields('', 'float32', shape, data))]);
  }
  return of(
    'ints',
    value.map((v) => intField(8, v)),
  );
}

/** A value of the batch size has the name N; multiples of it `kN`. */
const dimension = (d: number): Chunk =>
  messageField(1, [d < 0 ? bytesField(2, d === -1 ? 'N' : `${-d}N`) : intField(1, d)]);

const valueInfo = (field: number, name: string, shape: Shape): Chunk =>
  messageField(field, [
    bytesField(1, name),
    messageField(2, [messageField(1, [intField(1, ELEMENT_TYPE.float32), messageField(2, shape.map(dimension))])]),
  ]);

/** Collects nodes and initialisers of one ONNX graph. */
export class OnnxWriter {
  readonly #nodes: Chunk[] = [];
  readonly #initialisers: Chunk[] = [];
  readonly #names = new Set<string>();

  /** Adds a node; its output has the name given, or one made from `base`. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    output: { readonly name: string } | { readonly base: string },
  ): string {
    const name = 'name' in output ? output.name : this.#unique(output.base);
    this.#nodes.push(
      messageField(1, [
        ...inputs.map((input) => bytesField(1, input)),
        bytesField(2, name),
        bytesField(3, name),
        bytesField(4, type),
        ...Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      ]),
    );
    return name;
  }

  float(name: string, shape: readonly number[], data: Float32Array): string {
    return this.#initialiser(name, 'float32', shape, data);
  }

  scalar(base: string, value: number): string {
    return this.float(this.#unique(base), [], Float32Array.of(value));
  }

  integers(base: string, values: readonly number[] | Int32Array): string {
    const data = BigInt64Array.from(values as readonly number[], BigInt);
    return this.#initialiser(this.#unique(base), 'int64', [data.length], data);
  }

  #initialiser(name: string, type: keyof typeof ELEMENT_TYPE, shape: readonly number[], data: ArrayBufferView): string {
    this.#initialisers.push(messageField(5, tensorFields(name, type, shape, data)));
    return name;
  }

  #unique(base: string): string {
    let name = base;
    for (let n = 2; this.#names.has(name); n++) name = `${base}_${n}`;
    this.#names.add(name);
    return name;
  }

  /** The model's bytes. */
  finish(
    name: string,
    input: { readonly name: string; readonly shape: Shape },
    outputs: readonly { readonly name: string; readonly shape: Shape }[],
    metadata: Readonly<Record<string, string>>,
  ): Uint8Array {
    const graph = [
      ...this.#nodes,
      bytesField(2, name),
      ...this.#initialisers,
      valueInfo(11, input.name, input.shape),
      ...outputs.map((output) => valueInfo(12, output.name, output.shape)),
    ];
    return encode([
      intField(1, IR_VERSION),
      bytesField(2, 'espalier'),
      messageField(7, graph),
      messageField(8, [bytesField(1, ''), intField(2, OPSET)]),
      ...Object.entries(metadata).map(([key, value]) => messageField(14, [bytesField(1, key), bytesField(2, value)])),
    ]);
  }
}
