/** What lowering rules work with: values with their order of dimensions, and the operations that several rules need. */
import type { Shape } from '../../graph/operations.ts';
import { sizePerImage } from '../../graph/shapes.ts';
import type { KernelKind } from '../programs/kernels.ts';
import type { KernelNode } from '../programs/program.ts';
import {
  inMemory,
  movesData,
  type Order,
  permutationBetween,
  plainOrder,
  promotedOrder,
  reshapedOrder,
  sameOrder,
} from './data-layout.ts';
import type { GraphDefBuilder, TensorRef } from './graph-def.ts';
import type { Attrs, TensorFlowType } from './saved-model.ts';

/** A value in the TensorFlow graph. */
export interface Laid {
  readonly tensor: TensorRef;
  /** Logical shape; −k is k times the batch size. */
  readonly shape: Shape;
  readonly order: Order;
}

/** Rule of one kernel: its outputs from its inputs. */
export type LoweringRule<K extends KernelKind> = (
  context: LoweringContext,
  node: KernelNode<K>,
  inputs: readonly Laid[],
) => readonly Laid[];

/** The type in which matrix products and forward convolutions multiply; everything else is float32. */
export type ProductType = 'float32' | 'bfloat16';

export const FLOAT = { type: 'float32' } as const;
export const INT = { type: 'int32' } as const;

const partial = (shape: Shape): number[] => shape.map((d) => (d < 0 ? -1 : d));

export class LoweringContext {
  /** The last of FusedBatchNormV3's outputs, which only GPUs fill, by the name of the node. */
  readonly reserves = new Map<string, TensorRef>();
  readonly #rounded = new Map<string, TensorRef>();
  /** Names of sums with a bias. */
  readonly #biased = new Set<string>();
  #batch?: TensorRef;
  readonly #sizes = new Map<string, TensorRef>();

  /** `images` is any fed tensor whose first dimension is the batch. */
  constructor(
    readonly graph: GraphDefBuilder,
    private readonly images: () => TensorRef,
    private readonly products: ProductType = 'float32',
  ) {}

  laid(tensor: TensorRef, shape: Shape, order: Order = plainOrder(shape.length)): Laid {
    return { tensor, shape, order };
  }

  /** Adds an operation of one output that has the logical shape and order given. */
  emit(
    op: string,
    inputs: readonly TensorRef[],
    attrs: Attrs,
    shape: Shape,
    order: Order = plainOrder(shape.length),
    dtype: TensorFlowType = 'float32',
  ): Laid {
    const tensor = this.graph.op(op, inputs, attrs, { dtype, shape: partial(inMemory(shape, order)) });
    return { tensor, shape, order };
  }

  /** A matrix product or convolution (attribute T left out): with bfloat16 its operands are rounded, and its result is float32 again. */
  product(op: string, inputs: readonly TensorRef[], attrs: Attrs, shape: Shape, order?: Order): Laid {
    if (this.products === 'float32') return this.emit(op, inputs, { ...attrs, T: FLOAT }, shape, order);
    const T = { type: this.products };
    const result = this.emit(
      op,
      inputs.map((x) => this.round(x)),
      { ...attrs, T },
      shape,
      order,
      this.products,
    );
    return { ...result, tensor: this.cast(result.tensor, 'float32') };
  }

  /** A tensor in bfloat16; every one is rounded once, however many products take it. */
  private round(x: TensorRef): TensorRef {
    const known = this.#rounded.get(x.name);
    if (known) return known;
    const rounded = this.cast(x, this.products);
    this.#rounded.set(x.name, rounded);
    return rounded;
  }

  private cast(x: TensorRef, dtype: TensorFlowType): TensorRef {
    const attrs: Attrs = { SrcT: { type: x.dtype }, DstT: { type: dtype } };
    return this.graph.op('Cast', [x], attrs, { dtype, shape: x.shape });
  }

  /** An element-wise operation that keeps shape and order. */
  unary(op: string, x: Laid): Laid {
    return this.emit(op, [x.tensor], { T: { type: x.tensor.dtype } }, x.shape, x.order);
  }

  /** An operation on tensors that need no rearranging: the same order, or a scalar. */
  direct(op: string, a: Laid, b: Laid): Laid {
    const of = sizePerImage(a.shape) >= sizePerImage(b.shape) ? a : b;
    return this.emit(op, [a.tensor, b.tensor], { T: FLOAT }, of.shape, of.order);
  }

  scalar(value: number): Laid {
    return this.laid(this.graph.float(value), []);
  }

  times(x: Laid, by: number): Laid {
    return this.direct('Mul', x, this.scalar(by));
  }

  // ---- orders

  /** The value with its dimensions in another order in memory. */
  inOrder(x: Laid, order: Order): Laid {
    if (sameOrder(x.order, order)) return x;
    if (!movesData(x.shape, x.order, order)) return this.reshapeMemory(x, x.shape, order);
    const permutation = this.graph.ints(...permutationBetween(x.order, order));
    const attrs: Attrs = { T: { type: x.tensor.dtype }, Tperm: INT };
    return this.emit('Transpose', [x.tensor, permutation], attrs, x.shape, order, x.tensor.dtype);
  }

  plain(x: Laid): Laid {
    return this.inOrder(x, plainOrder(x.shape.length));
  }

  /** The bytes as they lie, read as `shape` in `order`. */
  reshapeMemory(x: Laid, shape: Shape, order: Order = plainOrder(shape.length)): Laid {
    const sizes = partial(inMemory(shape, order));
    if (String(x.tensor.shape) === String(sizes)) return { tensor: x.tensor, shape, order };
    const attrs: Attrs = { T: { type: x.tensor.dtype }, Tshape: INT };
    const target =
      sizes.filter((d) => d < 0).length > 1 ? this.sizes(inMemory(shape, order)) : this.graph.ints(...sizes);
    return this.emit('Reshape', [x.tensor, target], attrs, shape, order, x.tensor.dtype);
  }

  /** A logical reshape: moves data only where dimensions that are merged or split do not lie together. */
  reshape(x: Laid, shape: Shape): Laid {
    const order = reshapedOrder(x.shape, x.order, shape);
    return order ? this.reshapeMemory(x, shape, order) : this.reshapeMemory(this.plain(x), shape);
  }

  /** With dimensions of size 1 before the others, to `rank`. */
  promote(x: Laid, rank: number): Laid {
    const missing = rank - x.shape.length;
    if (missing <= 0) return x;
    const shape = [...Array.from({ length: missing }, () => 1), ...x.shape];
    return this.reshapeMemory(x, shape, promotedOrder(x.order, missing));
  }

  /** All values with the rank of the largest and in the order of the largest. */
  aligned(values: readonly Laid[]): readonly Laid[] {
    const rank = Math.max(...values.map((x) => x.shape.length));
    const promoted = values.map((x) => (x.shape.length === 0 ? x : this.promote(x, rank)));
    const size = (x: Laid): number => sizePerImage(x.shape) * (x.shape.some((d) => d < 0) ? 2 ** 20 : 1);
    const largest = promoted.reduce((a, b) => (size(b) > size(a) ? b : a));
    return promoted.map((x) => (x.shape.length === 0 ? x : this.inOrder(x, largest.order)));
  }

  /** An element-wise operation with broadcasting; the result has `shape`. */
  binary(op: string, a: Laid, b: Laid, shape: Shape): Laid {
    const [left, right] = this.aligned([a, b]);
    const [x, y] = [this.withAllChannels(left, right), this.withAllChannels(right, left)];
    const { order } = x.shape.length === shape.length ? x : y;
    return this.emit(op, [x.tensor, y.tensor], { T: FLOAT }, shape, order);
  }

  /** A bias added to the last dimension in memory. */
  biasAdd(x: Laid, bias: Laid): Laid {
    const attrs: Attrs = { T: FLOAT, data_format: { str: 'NHWC' } };
    const sum = this.emit('BiasAdd', [x.tensor, bias.tensor], attrs, x.shape, x.order);
    this.#biased.add(sum.tensor.name);
    return sum;
  }

  /**
   * A constant that is added to a sum with a bias is added to the bias by TensorFlow's optimiser (constant folding's push-down), whose
   * BiasAdd fails unless the constant has a number for every channel.
   */
  private withAllChannels(x: Laid, other: Laid): Laid {
    const channels = other.shape[other.order.at(-1) as number];
    const isWhole = x.shape.length === 0 || x.shape[x.order.at(-1) as number] === channels;
    if (isWhole || !this.#biased.has(other.tensor.name) || x.shape.some((d) => d < 0)) return x;
    const last = x.order.at(-1) as number;
    const zeros = this.graph.constant(new Float32Array(channels), [channels]);
    const shape = x.shape.map((d, i) => (i === last ? channels : d));
    return this.emit('AddV2', [x.tensor, zeros], { T: FLOAT }, shape, x.order);
  }

  // ---- reductions and sizes

  /** Sum or mean over logical axes. */
  reduce(op: 'Sum' | 'Mean', x: Laid, axes: readonly number[], keep: boolean): Laid {
    const inputs = [x.tensor, this.graph.ints(...axes.map((axis) => x.order.indexOf(axis)))];
    const attrs: Attrs = { T: FLOAT, Tidx: INT, keep_dims: { bool: true } };
    const shape = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
    const kept = this.emit(op, inputs, attrs, shape, x.order);
    return keep
      ? kept
      : this.reshape(
          kept,
          x.shape.filter((_, i) => !axes.includes(i)),
        );
  }

  /** The batch size, an int32 scalar. */
  batch(): TensorRef {
    if (!this.#batch) {
      const { graph } = this;
      const sizes = graph.op(
        'Shape',
        [this.images()],
        { T: { type: this.images().dtype }, out_type: INT },
        { dtype: 'int32', shape: [1] },
      );
      const attrs: Attrs = { T: INT, Index: INT, shrink_axis_mask: { int: 1 } };
      const bounds = [0, 1, 1].map((at) => graph.ints(at));
      this.#batch = graph.op('StridedSlice', [sizes, ...bounds], attrs, { dtype: 'int32', shape: [] });
    }
    return this.#batch;
  }

  /** Sizes as an int32 vector, with the batch size filled in. */
  sizes(shape: Shape): TensorRef {
    if (shape.every((d) => d >= 0)) return this.graph.ints(...shape);
    const known = this.#sizes.get(String(shape));
    if (known) return known;
    const { graph } = this;
    const size = (d: number): TensorRef => {
      if (d >= 0) return graph.int(d);
      if (d === -1) return this.batch();
      return graph.op('Mul', [this.batch(), graph.int(-d)], { T: INT }, { dtype: 'int32', shape: [] });
    };
    const attrs: Attrs = { N: { int: shape.length }, T: INT, axis: { int: 0 } };
    const sizes = graph.op('Pack', shape.map(size), attrs, { dtype: 'int32', shape: [shape.length] });
    this.#sizes.set(String(shape), sizes);
    return sizes;
  }

  /** 1 / batch size, a float scalar. */
  inverseBatch(): Laid {
    const attrs: Attrs = { SrcT: INT, DstT: FLOAT };
    const count = this.graph.op('Cast', [this.batch()], attrs, { dtype: 'float32', shape: [] });
    return this.unary('Reciprocal', this.laid(count, []));
  }
}
