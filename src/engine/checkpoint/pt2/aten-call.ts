/** What a rule for an ATen operation sees of its call: typed arguments, shapes, and ways to write ONNX nodes that compute the same. */
import { float32Tensor, type Tensor } from '../../graph/tensor.ts';
import { INTERNAL_DOMAIN } from '../onnx/operators.ts';
import { type AttributeValue, attributeOf } from './aten-attributes.ts';
import type { Argument, ProgramNode, ProgramSize, TensorMeta } from './exported-program.ts';
import { keptCall } from './kept-call.ts';
import type { TranslationScope } from './translation-scope.ts';
import { maskOf, type Window } from './windows-of-values.ts';

/** Operators that ONNX has none for. */
export const INTERNAL = INTERNAL_DOMAIN;
/** ATen operations that nothing is known of: they stay in the network as they are. */
const FOREIGN = 'aten';

/** Where PyTorch's newer ONNX exporter says which module a node is from: the importer of ONNX files reads it. */
const SCOPES = 'pkg.torch.onnx.name_scopes';

export type AtenRule = (call: AtenCall) => void;

/** A call whose arguments no rule can take over: it stays as it is, and what it touches is frozen. */
export class NotTakenOver extends Error {}

/** PyTorch's numbers of integer types and truths. */
const INTEGER_TYPES: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 12]);

export class AtenCall {
  readonly #arguments: ReadonlyMap<string, Argument>;
  readonly path: string;
  /** Values that it takes, as they are before the call: it may change them in place. */
  readonly #taken: readonly string[];

  constructor(
    private readonly scope: TranslationScope,
    readonly node: ProgramNode,
    /** `conv2d`, without the underscore of in-place forms. */
    readonly operation: string,
    readonly overload: string,
  ) {
    this.#arguments = new Map(node.inputs.map(({ name, argument }) => [name, argument]));
    this.path = node.modules.at(-1)?.path ?? '';
    this.#taken = node.inputs.flatMap(({ argument }): readonly string[] => {
      if (argument.kind === 'tensor') return [this.named(argument.name)];
      return argument.kind === 'tensors' ? argument.names.flatMap((name) => (name ? [this.named(name)] : [])) : [];
    });
  }

  refuse(why: string): never {
    throw new NotTakenOver(why);
  }

  // ---- arguments
  has(name: string): boolean {
    const kind = this.#arguments.get(name)?.kind;
    return kind !== undefined && kind !== 'none';
  }

  argument(name: string): Argument | undefined {
    return this.#arguments.get(name);
  }

  /** Name of a tensor as the program has it. */
  private original(name: string): string {
    const argument = this.#arguments.get(name);
    return argument?.kind === 'tensor' ? argument.name : this.refuse(`its argument ${name} is no tensor`);
  }

  /** Name of a tensor; '' where it is left out. */
  tensor(name: string): string {
    return this.has(name) ? this.named(this.original(name)) : '';
  }

  named(value: string): string {
    return this.scope.current.get(value) ?? `${this.scope.prefix}${value}`;
  }

  tensors(name: string): readonly (string | undefined)[] {
    const argument = this.#arguments.get(name);
    if (argument?.kind !== 'tensors') return this.refuse(`its argument ${name} is no list of tensors`);
    return argument.names.map((each) => each && this.named(each));
  }

  /** A tensor, or a number as a constant of the type that `like` has. */
  operand(name: string, like: string): string {
    const argument = this.#arguments.get(name);
    if (argument?.kind === 'tensor') return this.named(argument.name);
    const value = this.number(name) ?? this.refuse(`its argument ${name} is no number`);
    return this.constant(value, this.isInteger(like) && Number.isInteger(value));
  }

  number(name: string): number | undefined {
    const argument = this.#arguments.get(name);
    if (argument?.kind === 'floats') return argument.values[0];
    if (argument?.kind === 'ints') return this.fixed(argument.values[0]);
    if (argument?.kind === 'bool') return Number(argument.value);
    return undefined;
  }

  private fixed(value: number | string): number {
    return typeof value === 'number' ? value : this.refuse('it takes a size that the network computes');
  }

  int(name: string, otherwise: number): number {
    return this.number(name) ?? otherwise;
  }

  ints(name: string, otherwise: readonly number[] = []): readonly number[] {
    const argument = this.#arguments.get(name);
    return argument?.kind === 'ints' ? argument.values.map((value) => this.fixed(value)) : otherwise;
  }

  /** Two numbers, where PyTorch takes one for both. */
  pair(name: string, otherwise: readonly [number, number]): readonly [number, number] {
    const [first, second = first] = this.ints(name);
    return first === undefined ? otherwise : [first, second];
  }

  floats(name: string): readonly number[] {
    const argument = this.#arguments.get(name);
    return argument?.kind === 'floats' ? argument.values : [];
  }

  flag(name: string, otherwise = false): boolean {
    const argument = this.#arguments.get(name);
    return argument?.kind === 'bool' ? argument.value : otherwise;
  }

  text(name: string, otherwise: string): string {
    const argument = this.#arguments.get(name);
    return argument?.kind === 'string' ? argument.value : otherwise;
  }

  // ---- shapes
  meta(value: string): TensorMeta {
    return this.scope.graph.tensors.get(value) ?? this.refuse(`nothing is known of ${value}`);
  }

  /** Sizes of an argument. */
  sizes(name: string): readonly ProgramSize[] {
    return this.meta(this.original(name)).sizes;
  }

  rank(name: string): number {
    return this.sizes(name).length;
  }

  axis(axis: number, rank: number): number {
    return axis < 0 ? axis + rank : axis;
  }

  isInteger(name: string): boolean {
    return INTEGER_TYPES.has(this.meta(this.original(name)).type);
  }

  output(i = 0): TensorMeta {
    return this.meta(this.node.outputs[i]);
  }

  private outputNames(): readonly string[] {
    return this.node.outputs.map((name) => `${this.scope.prefix}${name}`);
  }

  // ---- results
  private add(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>>,
    outputs: readonly string[],
    domain: string,
  ): void {
    this.scope.nodes.push({
      name: this.node.name,
      opType: operator,
      domain,
      inputs,
      outputs,
      attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)])),
      metadata: new Map([[SCOPES, `['${this.path.replace(/['\\]+/g, '_')}', '${this.node.name}']`]]),
    });
  }

  /** An intermediate node; its value. */
  emit(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = '',
  ): string {
    const name = `${this.scope.prefix}${this.node.name}/${this.scope.nodes.length}`;
    this.add(operator, inputs, attributes, [name], domain);
    return name;
  }

  /** The node that gives the call's outputs. */
  result(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = '',
  ): void {
    this.add(operator, inputs, attributes, this.outputNames(), domain);
  }

  /** A tensor or a number in the type of the result: whole numbers times a fraction, and sums of truths, are no whole numbers or truths. */
  asResult(name: string): string {
    const to = this.output().type;
    const isInteger = INTEGER_TYPES.has(to);
    if (this.#arguments.get(name)?.kind !== 'tensor')
      return this.constant(this.number(name) ?? this.refuse(`its argument ${name} is no number`), isInteger);
    const from = this.meta(this.original(name)).type;
    if (!INTEGER_TYPES.has(from) || from === to) return this.tensor(name);
    return this.emit('Cast', [this.tensor(name)], { to: isInteger ? 7 : 1 });
  }

  /** One output by a node of its own. */
  resultAt(
    i: number,
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): void {
    this.add(operator, inputs, attributes, [this.outputNames()[i]], '');
  }

  constant(value: number, integer = false): string {
    const tensor: Tensor = integer
      ? { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(Math.trunc(value))) }
      : float32Tensor([], Float32Array.of(value));
    return this.emit('Constant', [], { value: { tensor } });
  }

  integers(values: readonly number[]): string {
    const tensor: Tensor = {
      dtype: 'int64',
      shape: [values.length],
      data: BigInt64Array.from(values, (v) => BigInt(Math.max(-(2 ** 53), Math.min(2 ** 53, v)))),
    };
    return this.emit('Constant', [], { value: { tensor } });
  }

  floatTensor(shape: readonly number[], data: Float32Array): string {
    return this.emit('Constant', [], { value: { tensor: float32Tensor(shape, data) } });
  }

  /** True for the elements of a value of these sizes that lie in all windows. */
  mask(sizes: readonly number[], windows: readonly Window[]): string {
    return this.emit('Constant', [], { value: { tensor: maskOf(sizes, windows) } });
  }

  /** From here on a value of the program is another. */
  setValue(value: string, by: string): void {
    this.scope.current.set(value, by);
  }

  /** Sizes as a value: those that depend on the batch are computed from the images. */
  shapeValue(sizes: readonly ProgramSize[]): string {
    if (sizes.every((size) => size !== undefined && size >= 0)) return this.integers(sizes as readonly number[]);
    const parts = sizes.map((size) => {
      if (size === undefined) return this.refuse('its shape depends on more than the number of images');
      if (size >= 0) return this.integers([size]);
      const batch = this.emit('Shape', [this.scope.images], { start: 0, end: 1 });
      return size === -1 ? batch : this.emit('Mul', [batch, this.integers([-size])]);
    });
    return this.emit('Concat', parts, { axis: 0 });
  }

  /** The value in the shape of an output. */
  reshaped(value: string, sizes: readonly ProgramSize[]): string {
    return this.emit('Reshape', [value, this.shapeValue(sizes)]);
  }

  resultReshaped(value: string): void {
    this.result('Reshape', [value, this.shapeValue(this.output().sizes)]);
  }

  /** An operation without a rule: it stays, with the shapes that the program says. */
  keep(reason: string): void {
    this.node.outputs.forEach((name, i) => {
      const said = this.scope.graph.tensors.get(name)?.sizes ?? [];
      // In a program for a fixed number of images, that many are the batch.
      const sizes = said.map((size, axis) => (axis === 0 && size === this.scope.fixedBatch ? -1 : size));
      if (sizes.some((size) => size === undefined)) return;
      const call = keptCall(this.node, this.scope.graph, i);
      this.add(
        `${this.operation}.${this.overload}`,
        this.#taken,
        { shape: sizes as readonly number[], reason, ...(call !== undefined && { call }) },
        [this.outputNames()[i]],
        FOREIGN,
      );
    });
  }
}
