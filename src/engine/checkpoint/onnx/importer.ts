/** Walks an ONNX model's nodes and drafts the network: constants are computed, the rest becomes operations. */

import { BudgetError } from '../../../common/budget.ts';
import { UserError } from '../../../common/errors.ts';
import type { Shape } from '../../graph/operations.ts';
import { ShapeError } from '../../graph/shapes.ts';
import { elementCount, type Tensor } from '../../graph/tensor.ts';
import { ProtobufError } from '../../protobuf/protobuf-reader.ts';
import { takenBranch } from './branches.ts';
import type { Choices } from './choices.ts';
import { type Constant, isFixed, sizes, tensorOf } from './constants.ts';
import { DraftGraph, type DraftId, NodeRefusal, type Origin, type StoredTensor, UnknownShapeError } from './draft.ts';
import { canFold, fold } from './fold.ts';
import { foldRepeated } from './fold-repeated.ts';
import { FoldError } from './fold-tensors.ts';
import { FOLLOWS_SIZES, isReadable, labelOf } from './names.ts';
import type { OnnxGraph, OnnxModel, OnnxNode } from './onnx-proto.ts';
import type { OnnxTensor } from './onnx-tensor.ts';
import {
  initialiserValue,
  isMask,
  type RepeatedValue,
  storedTensor,
  type Value,
  type WeightValue,
  weightOf,
} from './onnx-values.ts';
import { countOf, type ImportScope, OperatorCall, shapeAlone, shapeOf } from './operator-call.ts';
import { INTERNAL_DOMAIN, internalOperators, operators } from './operators.ts';
import { NO_OPERATION, unsupported } from './refusals.ts';
import { forEveryImage } from './repeated-values.ts';

/** Operators that give the elements of a tensor in their order. */
const KEEPS_ELEMENTS: ReadonlySet<string> = new Set(['Cast', 'Flatten', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze']);

/** Operators that ask for sizes, whatever the value. */
const SIZES: Readonly<Record<string, (call: OperatorCall) => Value>> = { Shape: shapeOf, Size: countOf };

/** Branches within branches. */
const MAX_DEPTH = 8;

export class Importer implements ImportScope {
  readonly graph = new DraftGraph();
  readonly opset: number;
  readonly #values = new Map<string, Value>();
  /** Nodes that stand for known values. */
  readonly #constants = new Map<Constant, DraftId>();
  /** Nodes that stand for values which all images have. */
  readonly #repeated = new Map<Constant, DraftId>();
  #depth = 0;

  constructor(
    readonly file: string,
    readonly model: OnnxModel,
    readonly fixedBatch: number | undefined,
    readonly choices: Choices,
    readonly namesAreExact = false,
  ) {
    this.opset = model.opsets.get('') ?? 1;
    this.#initialise(model);
  }

  #initialise({ initialisers }: OnnxGraph): void {
    for (const tensor of initialisers.values())
      this.#values.set(
        tensor.name,
        initialiserValue({ ...tensor, read: () => this.#readTensor(tensor) }, (stored, path) =>
          this.#bare(stored, path),
        ),
      );
  }

  #readTensor(tensor: OnnxTensor): Tensor {
    try {
      this.model.budget.spend('work', elementCount(tensor.shape));
      return tensor.read();
    } catch (error) {
      throw error instanceof ProtobufError ? new UserError(`${this.file}: ${error.message}.`) : error;
    }
  }

  /** A tensor as a value of its own: a parameter, or a mask, which nobody trains. */
  #bare(tensor: StoredTensor, path: string): DraftId {
    const origin: Origin = { label: `tensor '${tensor.name}'`, path };
    const read = tensor.read();
    if (isMask(read.data))
      return this.graph.add({ kind: 'constant', attributes: { tensor: read }, inputs: [], stored: {}, origin });
    return this.graph.add({ kind: 'parameter', attributes: {}, inputs: [], stored: { value: tensor }, origin });
  }

  /** Whether operations of which nothing is known stay in the network. */
  get keepsUnknown(): boolean {
    return this.model.keep !== undefined;
  }

  /** Says what a name stands for: the model's input. */
  define(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  /** What a name stands for; undefined where nothing computes it. */
  find(name: string): Value | undefined {
    return this.#values.get(name);
  }

  draftOf(value: Value, path: string): DraftId {
    if (value.kind === 'computed') return value.draft;
    if (value.kind === 'weight') return value.draft(path);
    if (value.kind === 'repeated') return this.#draftOfRepeated(value, path);
    const { constant, name } = value;
    const known = this.#constants.get(constant);
    if (known !== undefined) return known;
    if (!isFixed(constant)) sizes(constant, `${this.file}: the value '${name}'`);
    if (!isFixed(constant))
      throw new UserError(`${this.file}: the value '${name}' depends on the number of images, and is computed with.`);
    const tensor = tensorOf(constant);
    // A number has one dimension in the Graph.
    const shaped = tensor.shape.length ? tensor : { ...tensor, shape: [1] };
    const ofSizes = (constant.ofSizes || name.endsWith(FOLLOWS_SIZES)) && { ofSizes: true };
    const origin: Origin = { label: `value '${name}'`, path: value.path || path, ...ofSizes };
    const draft = this.graph.add({ kind: 'constant', attributes: { tensor: shaped }, inputs: [], stored: {}, origin });
    this.#constants.set(constant, draft);
    return draft;
  }

  #draftOfRepeated(value: RepeatedValue, path: string): DraftId {
    const { constant, name } = value;
    const known = this.#repeated.get(constant);
    if (known !== undefined) return known;
    if (!isFixed(constant))
      throw new UserError(`${this.file}: the value '${name}' holds the numbers of the images, and is computed with.`);
    const one = this.draftOf({ ...value, kind: 'known' }, path);
    const draft = forEveryImage(this.graph, value, one, { label: `value '${name}'`, path: value.path || path });
    this.#repeated.set(constant, draft);
    return draft;
  }

  /** Drafts all nodes in the file's order. */
  run(): void {
    const { nodes } = this.model;
    for (let i = 0; i < nodes.length; i++) {
      try {
        this.#take(nodes[i]);
      } catch (error) {
        const instead = error instanceof NodeRefusal ? this.model.keep?.(nodes[i], error.reason) : undefined;
        if (!instead) throw error;
        const { name } = nodes[i];
        while (nodes[i + 1]?.name === name) i++;
        for (const node of instead) this.#take(node);
      }
    }
  }

  #take(node: OnnxNode): void {
    this.model.budget.spend('nodes');
    const branch =
      this.#depth < MAX_DEPTH && this.#inNode(node, () => takenBranch(node, this.#values.get(node.inputs[0])));
    const results = branch ? this.#follow(branch) : this.#evaluate(node);
    node.outputs.forEach((name, i) => {
      const result = results[i];
      if (name && result) this.#values.set(name, result);
    });
  }

  /** What the nodes of a branch give. */
  #follow(branch: OnnxGraph): readonly (Value | undefined)[] {
    this.#depth++;
    this.#initialise(branch);
    for (const node of branch.nodes) this.#take(node);
    this.#depth--;
    return branch.outputs.map(({ name }) => this.#values.get(name));
  }

  /** Anything that goes wrong in a node, said of the file and the node. */
  #inNode<T>(node: OnnxNode, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof UnknownShapeError) throw unsupported(this, error.draft);
      if (error instanceof NodeRefusal || error instanceof BudgetError || !(error instanceof Error)) throw error;
      if (error instanceof UserError) throw new NodeRefusal(error.message, error.message);
      if (![ShapeError, FoldError, ProtobufError].some((kind) => error instanceof kind)) throw error;
      const label = labelOf(node);
      const said = `${error.message.includes(label) ? '' : `${label}: `}${error.message}`;
      throw new NodeRefusal(`${this.file}: ${said}.`, error.message);
    }
  }

  #evaluate(node: OnnxNode): readonly Value[] {
    const inputs = node.inputs.map((name): Value | undefined => {
      if (!name) return undefined;
      const found = this.#values.get(name);
      if (found) return found;
      throw new UserError(`${this.file}: ${labelOf(node)} takes '${name}', which nothing before it computes.`);
    });
    return this.#inNode(node, () => {
      const call = new OperatorCall(this, node, inputs);
      if (node.domain === '' && Object.hasOwn(SIZES, node.opType)) return [SIZES[node.opType](call)];
      const stored = inputs.filter((input) => input !== undefined);
      if (canFold(node) && stored.every(({ kind }) => kind === 'known')) {
        const folded = fold(
          node,
          inputs.map((input) => (input?.kind === 'known' ? input.constant : undefined)),
          this.model.budget,
        );
        const { path } = call.origin;
        if (folded)
          return folded.map((constant, i): Value => ({ kind: 'known', name: node.outputs[i], path, constant }));
        return this.#onRepeated(call) ?? this.#operate(call);
      }
      if (
        canFold(node) &&
        // A product of weights is computed anew every time: it may take long, and its factors are what is trained.
        node.opType !== 'MatMul' &&
        stored.every((value) => value.kind === 'weight' || (value.kind === 'known' && isFixed(value.constant)))
      )
        return this.#onWeights(call);
      return this.#onRepeated(call) ?? this.#operate(call);
    });
  }

  /** Computes what every image has, for one of them. */
  #onRepeated({ node, inputs, origin }: OperatorCall): readonly Value[] | undefined {
    const taken = inputs.filter((input) => input?.kind !== 'weight' && input?.kind !== 'computed');
    if (node.domain !== '' || taken.length < inputs.length) return undefined;
    const operands = { node, inputs: taken, fixedBatch: this.fixedBatch };
    return foldRepeated(operands, origin.path, this.model.budget);
  }

  /** Computes a layer's weights, or a value anew every time: whoever takes it decides. */
  #onWeights(call: OperatorCall): readonly Value[] {
    const { node } = call;
    const inputs = call.inputs.filter((input) => input !== undefined);
    const weights = inputs.filter((input) => input.kind === 'weight');
    const folded = (): readonly Constant[] => {
      const constants = call.inputs.map((input) =>
        input?.kind === 'weight' ? input.constant() : input?.kind === 'known' ? input.constant : undefined,
      );
      return (
        this.#inNode(node, () => fold(node, constants, this.model.budget)) ??
        call.fail('makes weights that depend on the number of images')
      );
    };
    // PyTorch's exporter stores equal tensors once; what this operator gives has the name of another parameter.
    const isCopy = node.opType === 'Identity' && !this.namesAreExact;
    const shape = shapeAlone(call, weights[0]);
    const isOne = weights.length === 1;
    const isTransposed = node.opType === 'Transpose' && weights[0].shape().length === 2 && call.ints('perm')?.[0] !== 0;
    const is = {
      isWhole: isOne && weights[0].isWhole && KEEPS_ELEMENTS.has(node.opType),
      isJoined: !isOne || weights[0].isJoined || node.opType === 'Concat',
    };
    return node.outputs.map((output, i): Value => {
      const isNamed = !isOne || (isCopy && isReadable(output));
      const value: WeightValue = weightOf(inputs, isNamed ? output : weights[0].name, {
        ...is,
        ...(shape && { shape }),
        ...(isTransposed && { transposeOf: weights[0] }),
        constant: () => folded()[i],
        draft: (path) =>
          isCopy
            ? this.#bare(storedTensor(value), path)
            : this.draftOf(
                this.#inNode(node, () => this.#operate(call)[i]),
                path,
              ),
      });
      return value;
    });
  }

  #operate(call: OperatorCall): readonly Value[] {
    const { node } = call;
    const known = node.domain === INTERNAL_DOMAIN ? internalOperators : node.domain === '' ? operators : {};
    const rule = Object.hasOwn(known, node.opType) ? known[node.opType] : undefined;
    // Whether an unknown operator matters shows at the end: something may be left out, or take its place.
    if (!rule) {
      const taken = call.inputs.filter((input) => input && input.kind !== 'known') as readonly Value[];
      const operands = taken.map((input) => this.draftOf(input, call.origin.path));
      const [kept, shape] = [call.string('reason', ''), call.ints('shape')];
      if (!kept && this.model.keep)
        throw new NodeRefusal(`${this.file}: ${call.origin.label} cannot be taken over.`, NO_OPERATION);
      if (!kept || !shape) return node.outputs.map(() => call.foreign(operands));
      // A constant among its inputs would come back as another type.
      const text = operands.length === node.inputs.length ? call.string('call', '') : '';
      return node.outputs.map(() => call.foreign(operands, shape, { kept, ...(text && { call: text }) }));
    }
    const result = rule(call);
    return 'kind' in result ? [result] : result;
  }

  /** The shape of a value that the network computes. */
  shapeOf(node: OnnxNode, draft: DraftId): Shape {
    return this.#inNode(node, () => this.graph.shape(draft));
  }
}
