/** Writes small ONNX models for the tests: any operator, with any attributes, as a file would have them. */
import {
  bytesField,
  type Chunk,
  encode,
  floatField,
  intField,
  messageField,
} from '../../../../src/engine/protobuf/protobuf-writer.ts';
import { uniform } from '../../../support/detfill.ts';

export interface Attributes {
  /** Numbers are integers; floats are given as `{ float }`. */
  readonly [name: string]:
    | number
    | string
    | readonly number[]
    | { readonly float: number }
    | { readonly tensor: Chunk[] }
    | { readonly graph: Chunk[] };
}

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

export const floatTensor = (
  name: string,
  shape: readonly number[],
  data: readonly number[] | Float32Array,
): Chunk[] => [
  ...shape.map((size) => intField(1, size)),
  intField(2, 1),
  bytesField(8, name),
  bytesField(9, bytesOf(Float32Array.from(data))),
];

const integerTensor = (name: string, shape: readonly number[], data: readonly number[]): Chunk[] => [
  ...shape.map((size) => intField(1, size)),
  intField(2, 7),
  bytesField(8, name),
  bytesField(9, bytesOf(BigInt64Array.from(data, BigInt))),
];

function attribute(name: string, value: Attributes[string]): Chunk {
  const of = (type: number, ...parts: Chunk[]): Chunk =>
    messageField(5, [bytesField(1, name), ...parts, intField(20, type)]);
  if (typeof value === 'number') return of(2, intField(3, value));
  if (typeof value === 'string') return of(3, bytesField(4, value));
  if ('float' in value) return of(1, floatField(2, value.float));
  if ('tensor' in value) return of(4, messageField(5, value.tensor));
  if ('graph' in value) return of(5, messageField(6, value.graph));
  return of(7, ...value.map((v) => intField(8, v)));
}

export interface NodeNames {
  readonly name?: string;
  readonly domain?: string;
  readonly outputs?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
}

const entry = (field: number, key: string, value: string): Chunk =>
  messageField(field, [bytesField(1, key), bytesField(2, value)]);

const valueInfo = (field: number, name: string, shape?: readonly (number | string)[]): Chunk => {
  const dimensions = shape?.map((d) => messageField(1, [typeof d === 'string' ? bytesField(2, d) : intField(1, d)]));
  return messageField(field, [
    bytesField(1, name),
    messageField(2, [messageField(1, [intField(1, 1), ...(dimensions ? [messageField(2, dimensions)] : [])])]),
  ]);
};

const nodeMessage = (type: string, inputs: readonly string[], attributes: Attributes, names: NodeNames): Chunk =>
  messageField(1, [
    ...inputs.map((input) => bytesField(1, input)),
    ...(names.outputs ?? []).map((output) => bytesField(2, output)),
    bytesField(3, names.name ?? ''),
    bytesField(4, type),
    ...Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    bytesField(7, names.domain ?? ''),
    ...Object.entries(names.metadata ?? {}).map(([key, value]) => entry(9, key, value)),
  ]);

/** A graph as an attribute: `output` is `x` times a number. */
export const scaledBranch = (x: string, output: string, by: number): { readonly graph: Chunk[] } => ({
  graph: [
    nodeMessage('Mul', [x, `${output}.Constant`], {}, { outputs: [output] }),
    bytesField(2, output),
    messageField(5, floatTensor(`${output}.Constant`, [], [by])),
    valueInfo(12, output),
  ],
});

export class ModelBuilder {
  readonly #nodes: Chunk[] = [];
  readonly #tensors: Chunk[] = [];
  #names = 0;

  constructor(
    private readonly input: readonly (number | string)[] = ['N', 3, 8, 8],
    private readonly opset = 17,
  ) {}

  /** Adds a node; gives its first output. */
  node(type: string, inputs: readonly string[], attributes: Attributes = {}, names: NodeNames = {}): string {
    const outputs = names.outputs ?? [`t${this.#names++}`];
    this.#nodes.push(nodeMessage(type, inputs, attributes, { ...names, outputs }));
    return outputs[0];
  }

  /** A weight; numbers between −0.5 and 0.5 by its name unless given. */
  float(name: string, shape: readonly number[], data?: readonly number[]): string {
    const count = shape.reduce((a, b) => a * b, 1);
    const filled = data ?? Array.from(uniform(name, count, 'onnx'), (u) => u - 0.5);
    return this.tensor(floatTensor(name, shape, filled), name);
  }

  number(value: number): string {
    return this.float(`c${this.#names++}.Constant`, [], [value]);
  }

  integers(...data: readonly number[]): string {
    const name = `i${this.#names++}`;
    return this.tensor(integerTensor(name, [data.length], data), name);
  }

  /** One integer without a dimension. */
  tensorOf(value: number): string {
    const name = `i${this.#names++}`;
    return this.tensor(integerTensor(name, [], [value]), name);
  }

  /** Any TensorProto. */
  tensor(fields: Chunk[], name: string): string {
    this.#tensors.push(messageField(5, fields));
    return name;
  }

  /** Global pooling and a linear layer to three classes. */
  classify(x: string, channels: number): string {
    const pooled = this.node('Flatten', [this.node('GlobalAveragePool', [x])]);
    return this.node('Gemm', [pooled, this.float('fc.weight', [3, channels]), this.float('fc.bias', [3])], {
      transB: 1,
    });
  }

  /** The file's bytes. */
  finish(output: string, metadata: Readonly<Record<string, string>> = {}, others: readonly string[] = []): Uint8Array {
    const graph = [
      ...this.#nodes,
      bytesField(2, 'main_graph'),
      ...this.#tensors,
      valueInfo(11, 'input', this.input),
      ...[output, ...others].map((name) => valueInfo(12, name)),
    ];
    return encode([
      intField(1, 8),
      bytesField(2, 'test'),
      messageField(7, graph),
      messageField(8, [bytesField(1, ''), intField(2, this.opset)]),
      ...Object.entries(metadata).map(([key, value]) => entry(14, key, value)),
    ]);
  }
}
