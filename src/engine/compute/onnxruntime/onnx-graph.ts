/**
 * An ONNX graph in the making: nodes as records, so that what nothing needs is left out and values can still be given the names of the
 * model's outputs before anything is encoded.
 */
import { type OnnxAttribute, type OnnxNode, type OnnxValue, OnnxWriter } from '../../onnx-format/onnx-writer.ts';

export type Attributes = Readonly<Record<string, OnnxAttribute>>;

/** A value that the model itself holds. */
export interface Initialiser {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** A name of the model's interface for a value inside it. */
export interface NamedOutput extends OnnxValue {
  readonly value: string;
}

/** Domain of the operators that only ONNX Runtime has. */
export const MICROSOFT = 'com.microsoft';

export class OnnxGraph {
  readonly #nodes: OnnxNode[] = [];
  readonly #initialisers = new Map<string, Initialiser>();
  readonly #inputs = new Map<string, OnnxValue>();
  #count = 0;

  /** Adds an operator of one output; its name. */
  op(type: string, inputs: readonly string[], attributes: Attributes = {}, domain = ''): string {
    return this.outputs(type, inputs, attributes, 1, domain)[0];
  }

  /** Adds an operator of several outputs. */
  outputs(type: string, inputs: readonly string[], attributes: Attributes, count: number, domain = ''): string[] {
    const outputs = Array.from({ length: count }, () => `${type}.${this.#count++}`);
    this.#nodes.push({ type, inputs, outputs, attributes, domain });
    return outputs;
  }

  /** A value that is fed at every run. */
  input(value: OnnxValue): string {
    this.#inputs.set(value.name, value);
    return value.name;
  }

  /** A value that the model holds; `name` is a constant's own, one value a name. */
  initialiser(name: string, value: Initialiser): string {
    this.#initialisers.set(name, value);
    return name;
  }

  /** An int64 vector. */
  ints(values: ArrayLike<number>): string {
    const data = BigInt64Array.from(Array.from(values), BigInt);
    const name = values.length > 16 ? `ints.${this.#count++}` : `ints [${Array.from(values)}]`;
    return this.initialiser(name, { shape: [data.length], data });
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.initialiser(`float ${value}`, { shape: [], data: Float32Array.of(value) });
  }

  constant(shape: readonly number[], data: Float32Array): string {
    return this.initialiser(`constant.${this.#count++}`, { shape, data });
  }

  isInput(name: string): boolean {
    return this.#inputs.has(name);
  }

  /**
   * The model with these outputs, without what they do not need.
   *
   * @returns the model's bytes, and the names of the inputs that it takes
   */
  encode(
    name: string,
    wanted: readonly NamedOutput[],
  ): { readonly model: Uint8Array; readonly inputs: readonly string[] } {
    const { names, copies } = this.#publicNames(wanted);
    const nodes = [...this.#needed([...names.keys(), ...copies.map(({ inputs }) => inputs[0])]), ...copies];
    const used = new Set(nodes.flatMap(({ inputs }) => inputs));
    const writer = new OnnxWriter();
    for (const [key, { shape, data }] of this.#initialisers) {
      if (!used.has(key)) continue;
      if (data instanceof Float32Array) writer.float(key, shape, data);
      else writer.int64(key, shape, data);
    }
    const renamed = (value: string): string => names.get(value) ?? value;
    for (const node of nodes)
      writer.add({ ...node, inputs: node.inputs.map(renamed), outputs: node.outputs.map(renamed) });
    const inputs = [...this.#inputs.values()].filter((input) => used.has(input.name));
    return { model: writer.finish(name, { inputs, outputs: wanted }), inputs: inputs.map((input) => input.name) };
  }

  /** New names of values; what is fed, held, or wanted twice is copied. */
  #publicNames(wanted: readonly NamedOutput[]): { names: ReadonlyMap<string, string>; copies: readonly OnnxNode[] } {
    const names = new Map<string, string>();
    const copies: OnnxNode[] = [];
    for (const { name, value } of wanted) {
      if (!this.#inputs.has(value) && !this.#initialisers.has(value) && !names.has(value)) names.set(value, name);
      else copies.push({ type: 'Identity', inputs: [names.get(value) ?? value], outputs: [name] });
    }
    return { names, copies };
  }

  /** Nodes that the values depend on, in their order. */
  #needed(values: readonly string[]): readonly OnnxNode[] {
    const needed = new Set(values);
    return this.#nodes
      .toReversed()
      .filter(({ inputs, outputs }) => {
        if (!outputs.some((output) => needed.has(output))) return false;
        for (const input of inputs) needed.add(input);
        return true;
      })
      .reverse();
  }
}
