/** What an operator's rule sees of its node: inputs as values, sizes or weights, attributes, and ways to add to the draft. */

import type { OperationAttributes, OperationKind, Shape } from '../../graph/operations.ts';
import { elementCount } from '../../graph/tensor.ts';
import type { Choices } from './choices.ts';
import { type Size, sizes, sizesOf } from './constants.ts';
import {
  type Draft,
  type DraftGraph,
  type DraftId,
  type ForeignDraft,
  NodeRefusal,
  type Origin,
  type StoredTensor,
  type StoredTensors,
} from './draft.ts';
import { labelOf, modulePath } from './names.ts';
import type { OnnxNode } from './onnx-proto.ts';
import { storedTensor, type Value, type WeightValue } from './onnx-values.ts';
import { shapeOfRepeated } from './repeated-values.ts';

/** What all nodes of an import share. */
export interface ImportScope {
  /** The file's name, for messages. */
  readonly file: string;
  readonly graph: DraftGraph;
  /** Version of ONNX's own operators. */
  readonly opset: number;
  /** The number of images that the file was made for, where it is a fixed one: its constants have it in them. */
  readonly fixedBatch: number | undefined;
  /** Which reading is tried where the file leaves several open. */
  readonly choices: Choices;
  /** Whether tensors have the names of a state dict, which must all stay: `.pt2`. */
  readonly namesAreExact: boolean;
  /** The value as a node, for one of the module `path`. */
  draftOf(value: Value, path: string): DraftId;
}

export type OperatorRule = (call: OperatorCall) => Value | readonly Value[];

export class OperatorCall {
  readonly origin: Origin;

  constructor(
    readonly scope: ImportScope,
    readonly node: OnnxNode,
    readonly inputs: readonly (Value | undefined)[],
  ) {
    this.origin = { label: labelOf(node), path: modulePath(node) };
  }

  /** Throws: what is wrong with this node. */
  fail(problem: string): never {
    throw new NodeRefusal(`${this.scope.file}: ${this.origin.label} ${problem}.`, `it ${problem}`);
  }

  // ---- attributes
  int(name: string, otherwise: number): number {
    const found = this.node.attributes.get(name);
    return found?.kind === 'int' ? found.value : otherwise;
  }

  float(name: string, otherwise: number): number {
    const found = this.node.attributes.get(name);
    return found?.kind === 'float' ? found.value : otherwise;
  }

  string(name: string, otherwise: string): string {
    const found = this.node.attributes.get(name);
    return found?.kind === 'string' ? found.value : otherwise;
  }

  floats(name: string): readonly number[] | undefined {
    const found = this.node.attributes.get(name);
    return found?.kind === 'floats' ? found.value : undefined;
  }

  ints(name: string): readonly number[] | undefined {
    const found = this.node.attributes.get(name);
    return found?.kind === 'ints' ? found.value : undefined;
  }

  // ---- inputs
  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  value(i: number): Value {
    return this.inputs[i] ?? this.fail(`has no input ${i}`);
  }

  /** The input as a node. */
  operand(i: number): DraftId {
    return this.scope.draftOf(this.value(i), this.origin.path);
  }

  shape(i: number): Shape {
    const value = this.value(i);
    if (value.kind === 'known') return value.constant.each[0].shape;
    if (value.kind === 'weight') return value.shape();
    if (value.kind === 'repeated') return shapeOfRepeated(value);
    return this.scope.graph.shape(value.draft);
  }

  /** The sizes of an input as a constant, the batch open. */
  sizesOf(i: number): Value {
    return { kind: 'known', name: this.node.outputs[0], path: this.origin.path, constant: sizesOf(this.shape(i)) };
  }

  /** The numbers of an input that must not depend on the images; undefined where it is left out. */
  sizes(i: number): readonly Size[] | undefined {
    const value = this.inputs[i];
    if (!value) return undefined;
    if (value.kind === 'computed' || value.kind === 'repeated')
      return this.fail(`takes its input ${i} from the images, where Espalier needs a constant`);
    const constant = value.kind === 'known' ? value.constant : value.constant();
    return sizes(constant, `${this.scope.file}: input ${i} of ${this.origin.label}`);
  }

  /** The same, where none may depend on the batch size. */
  numbers(i: number): readonly number[] | undefined {
    return this.sizes(i)?.map(
      ({ fixed }) => fixed ?? this.fail(`has an input ${i} that depends on the number of images`),
    );
  }

  /** An attribute of older operator sets, or the input that took its place. */
  list(name: string, i: number): readonly number[] | undefined {
    return this.ints(name) ?? this.numbers(i);
  }

  /** A single number that is known: an input of one element. */
  scalar(i: number): number | undefined {
    const value = this.inputs[i];
    return value?.kind === 'known' && value.constant.each[0].data.length === 1 ? this.numbers(i)?.[0] : undefined;
  }

  /** The input as a layer's parameter; undefined if it is computed from the images or left out. */
  stored(i: number): StoredTensor | undefined {
    const value = this.inputs[i];
    return value?.kind === 'known' || value?.kind === 'weight' ? storedTensor(value) : undefined;
  }

  /** Whether an input is a tensor that the file says is trained. */
  isTrained(i: number): boolean {
    return this.inputs[i]?.kind === 'weight' && this.scope.namesAreExact;
  }

  needStored(i: number): StoredTensor {
    return (
      this.stored(i) ?? this.fail(`computes its weights (input ${i}) from the images, which Espalier cannot prune`)
    );
  }

  /** A dimension counted from either end. */
  axis(axis: number, rank: number): number {
    const at = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(at) || at < 0 || at >= rank)
      this.fail(`has the axis ${axis} where there are ${rank} dimensions`);
    return at;
  }

  // ---- results
  /** Adds a node. */
  add<K extends OperationKind>(
    kind: K,
    inputs: readonly DraftId[],
    attributes: OperationAttributes[K],
    stored: StoredTensors = {},
  ): DraftId {
    const draft = { kind, attributes, inputs, stored, origin: this.origin } as unknown as Draft;
    return this.scope.graph.add(draft);
  }

  /** Adds the node that gives the result. */
  emit<K extends OperationKind>(
    kind: K,
    inputs: readonly DraftId[],
    attributes: OperationAttributes[K],
    stored: StoredTensors = {},
  ): Value {
    return this.computed(this.add(kind, inputs, attributes, stored));
  }

  computed(draft: DraftId): Value {
    return { kind: 'computed', draft };
  }

  /** Adds an operator that no operation stands for: it has to be found again as part of one. */
  foreign(
    inputs: readonly DraftId[],
    shape?: Shape,
    function_: Omit<ForeignDraft['attributes'], 'operator'> = {},
  ): Value {
    const attributes = { operator: this.node.opType, ...function_ };
    const draft: ForeignDraft = { kind: 'foreign', attributes, inputs, stored: {}, origin: this.origin };
    return this.computed(this.scope.graph.add(draft, shape));
  }

  /** The value in another shape: itself where it has it already. */
  reshape(x: DraftId, shape: Shape): DraftId {
    return String(this.scope.graph.shape(x)) === String(shape) ? x : this.add('reshape', [x], { shape });
  }
}

/** The shape of a copied or transposed weight: both are common, and the numbers of large ones can wait. */
export function shapeAlone(call: OperatorCall, weight: WeightValue): readonly number[] | undefined {
  const { opType } = call.node;
  if (opType === 'Identity') return weight.shape();
  if (opType !== 'Transpose') return undefined;
  const shape = weight.shape();
  const order = call.ints('perm') ?? [...shape.keys()].reverse();
  return order.map((axis) => shape[call.axis(axis, shape.length)]);
}

/** Shape: from `start` to `end`. */
export function shapeOf(call: OperatorCall): Value {
  const all = call.sizesOf(0);
  if (all.kind !== 'known') return all;
  const rank = call.shape(0).length;
  const bound = (at: number): number => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank);
  const [start, end] = [bound(call.int('start', 0)), bound(call.int('end', rank))];
  const [first, second] = all.constant.each.map(({ type, data }) => ({
    type,
    shape: [Math.max(0, end - start)],
    data: data.slice(start, end),
  }));
  return { ...all, constant: { each: [first, second], ofSizes: true } };
}

/** Size: how many elements there are. */
export function countOf(call: OperatorCall): Value {
  const sizes = call.sizesOf(0);
  if (sizes.kind !== 'known') return sizes;
  const [first, second] = sizes.constant.each.map(({ type, data }) => ({
    type,
    shape: [],
    data: Float64Array.of(elementCount(Array.from(data))),
  }));
  return { ...sizes, constant: { each: [first, second], ofSizes: true } };
}
