/**
 * The network between ONNX and the Graph: the Graph's operations, and foreign ones that must still be recognised as parts
 * of something (the error function inside a GELU). Nodes are rewritten in place and left behind where nothing needs them.
 */
import { UserError } from '../../../common/errors.ts';
import type { GraphNode } from '../../graph/graph.ts';
import type { OperationAttributes, OperationKind, ParameterRole, Shape } from '../../graph/operations.ts';
import { nodeShape } from '../../graph/shapes.ts';
import type { Tensor } from '../../graph/tensor.ts';

export type DraftId = number;

/** A tensor that will be a parameter. */
export interface StoredTensor {
  /** The initialiser that it comes from. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether it is computed of the file's tensors: not one of them, whatever its name. */
  readonly isComputed?: boolean;
  /** The matrix that this one is transposed of: read as it is, it needs no memory of its own. */
  readonly transposeOf?: StoredTensor;
  /** Its elements, in its shape. */
  read(): Tensor<'float32'>;
}

export type StoredTensors = Readonly<Partial<Record<ParameterRole, StoredTensor>>>;

/** Where a node comes from. */
export interface Origin {
  /** The ONNX node, for messages: `node '/conv1/Conv' (Conv)`. */
  readonly label: string;
  /** Module path; '' where the file has none. */
  readonly path: string;
  /** Of a number: that it was computed of the sizes of a value, and so follows them. */
  readonly ofSizes?: boolean;
}

/** A node that cannot be taken over: whoever reads the file may know what else to do with it. */
export class NodeRefusal extends UserError {
  constructor(
    message: string,
    /** What is in the way, without the names of file and node. */
    readonly reason: string,
  ) {
    super(message);
  }
}

interface DraftOf<K extends OperationKind> {
  readonly kind: K;
  readonly attributes: OperationAttributes[K];
  readonly inputs: readonly DraftId[];
  readonly stored: StoredTensors;
  readonly origin: Origin;
}

/** An ONNX operator without an operation of its own. */
export interface ForeignDraft {
  readonly kind: 'foreign';
  readonly attributes: {
    readonly operator: string;
    /** One element of the result from one of each input, where it works element by element. */
    readonly each?: (...inputs: readonly number[]) => number;
    /** Numbers that say which function it is: limits, an exponent. */
    readonly numbers?: readonly number[];
    /** Why it cannot be taken over, where the file's reader knows; such an operation stays as it is. */
    readonly kept?: string;
    /** How the file calls it. */
    readonly call?: string;
  };
  readonly inputs: readonly DraftId[];
  readonly stored: StoredTensors;
  readonly origin: Origin;
}

export type Draft = { [K in OperationKind]: DraftOf<K> }[OperationKind] | ForeignDraft;
export type DraftKind = Draft['kind'];
export type DraftWith<K extends DraftKind> = Extract<Draft, { kind: K }>;

/** The shape of something behind an operator that nobody knows was asked for. */
export class UnknownShapeError extends Error {
  constructor(readonly draft: ForeignDraft) {
    super(`${draft.origin.label} gives a value of unknown shape`);
  }
}

export class DraftGraph {
  readonly #nodes = new Map<DraftId, Draft>();
  readonly #shapes = new Map<DraftId, Shape>();
  /** A value that another took the place of. */
  readonly #same = new Map<DraftId, DraftId>();
  /** New nodes that come right before another. */
  readonly #before = new Map<DraftId, DraftId[]>();
  #order: DraftId[] = [];
  #next = 0;

  /**
   * Appends a node. A foreign one says its shape itself.
   * @throws ShapeError where the inputs do not fit
   */
  add(draft: Draft, shape?: Shape): DraftId {
    const id = this.#next++;
    this.#set(id, draft, shape);
    this.#order.push(id);
    return id;
  }

  /** Puts a new node in front of another that will take it as an input. */
  addBefore(before: DraftId, draft: Draft): DraftId {
    const id = this.#next++;
    this.#set(id, draft);
    this.#before.set(before, [...(this.#before.get(before) ?? []), id]);
    return id;
  }

  #set(id: DraftId, draft: Draft, shape?: Shape): void {
    this.#nodes.set(id, draft);
    if (draft.kind !== 'foreign') {
      // The rules look at a node's attributes and, in messages, at its name.
      const node = { ...draft, id: draft.origin.label } as unknown as GraphNode;
      const stored = (role: string): readonly number[] | undefined => draft.stored[role as ParameterRole]?.shape;
      const inferred = nodeShape(
        node,
        draft.inputs.map((input) => this.shape(input)),
        stored,
      );
      this.#shapes.set(id, inferred);
    } else if (shape) this.#shapes.set(id, shape);
  }

  /** Another way to compute the same value, from inputs that come before it. */
  replace(id: DraftId, draft: Draft): void {
    const before = String(this.shape(id));
    this.#set(id, draft);
    if (String(this.shape(id)) !== before)
      throw new Error(`${draft.origin.label}: [${before}] was replaced by [${this.shape(id)}]`);
  }

  /** Lets everything that takes `id` take `other`, an equal value before it. */
  redirect(id: DraftId, other: DraftId): void {
    this.#same.set(id, this.resolve(other));
  }

  resolve(id: DraftId): DraftId {
    let at = id;
    for (let same = this.#same.get(at); same !== undefined; same = this.#same.get(at)) at = same;
    return at;
  }

  get(id: DraftId): Draft {
    return this.#nodes.get(this.resolve(id)) as Draft;
  }

  /** The node if it is of this kind. */
  as<K extends DraftKind>(id: DraftId, kind: K): DraftWith<K> | undefined {
    const node = this.get(id);
    return node.kind === kind ? (node as DraftWith<K>) : undefined;
  }

  /** @throws UnknownShapeError behind an operator that nobody knows */
  shape(id: DraftId): Shape {
    const at = this.resolve(id);
    const shape = this.#shapes.get(at);
    if (!shape) throw new UnknownShapeError(this.#nodes.get(at) as ForeignDraft);
    return shape;
  }

  hasShape(id: DraftId): boolean {
    return this.#shapes.has(this.resolve(id));
  }

  inputsOf(id: DraftId): readonly DraftId[] {
    return this.get(id).inputs.map((input) => this.resolve(input));
  }

  /** Drops what no output needs; the nodes left, in order, and how often each is used. */
  live(outputs: readonly DraftId[]): { order: readonly DraftId[]; uses: ReadonlyMap<DraftId, number> } {
    if (this.#before.size) this.#order = this.#order.flatMap((id) => [...(this.#before.get(id) ?? []), id]);
    this.#before.clear();
    const uses = new Map<DraftId, number>();
    const use = (id: DraftId): void => void uses.set(id, (uses.get(id) ?? 0) + 1);
    for (const id of outputs) use(this.resolve(id));
    for (let i = this.#order.length - 1; i >= 0; i--) {
      const id = this.#order[i];
      if (uses.has(id)) this.inputsOf(id).forEach(use);
    }
    this.#order = this.#order.filter((id) => uses.has(id));
    return { order: [...this.#order], uses };
  }
}
