/** What kernels work with: values with their order of dimensions, and the operations that several kernels need. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { elementCount } from '../../graph/tensor.ts';
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
} from '../tensorflow/data-layout.ts';
import { transposeInto } from './copying.ts';
import type { TensorMemory } from './memory.ts';
import { meanOfRows } from './reductions.ts';
import { denseProduct } from './simd/dense.ts';
import type { SimdKernels } from './simd/module.ts';
import type { LoadedTfjs, Tfjs } from './tfjs.ts';

/** A value: the tensor's own shape is that in memory. */
export interface Laid {
  readonly tensor: Tensor;
  /** Logical shape, with the batch size filled in. */
  readonly shape: readonly number[];
  readonly order: Order;
}

/** One run of a node. */
export interface Call<K extends KernelKind> {
  readonly attributes: KernelNode<K>['attributes'];
  /** Logical shapes of the outputs, with the batch size filled in. */
  readonly shapes: readonly (readonly number[])[];
}

/** Computes a kernel's outputs. Runs inside a tidy: what it does not return is freed. */
export type KernelRule<K extends KernelKind> = (
  context: KernelContext,
  call: Call<K>,
  inputs: readonly Laid[],
) => readonly Laid[];

export class KernelContext {
  readonly tf: Tfjs;
  readonly memory: TensorMemory;
  /** Kernels of our own; undefined in plain JavaScript. */
  readonly simd?: SimdKernels;

  constructor(
    { tf, memory, simd }: LoadedTfjs,
    /** Size of the batch of this run. */
    readonly batch: number,
  ) {
    this.tf = tf;
    this.memory = memory;
    this.simd = simd;
  }

  // ---- values

  /** A tensor in memory as a logical shape. */
  laid(tensor: Tensor, shape: readonly number[], order: Order = plainOrder(shape.length)): Laid {
    return { tensor: this.asShape(tensor, inMemory(shape, order)), shape, order };
  }

  /** Another tensor over the same numbers. */
  asShape<T extends Tensor = Tensor>(tensor: Tensor, shape: readonly number[]): T {
    return (String(tensor.shape) === String(shape) ? tensor : this.tf.reshape(tensor, [...shape])) as T;
  }

  matrix(tensor: Tensor, rows: number, columns: number): Tensor2D {
    return this.asShape<Tensor2D>(tensor, [rows, columns]);
  }

  images(tensor: Tensor, n: number, h: number, w: number, c: number): Tensor4D {
    return this.asShape<Tensor4D>(tensor, [n, h, w, c]);
  }

  /** A new tensor that `write` fills; both arrays are views of the memory. */
  filled(
    shape: readonly number[],
    sources: readonly Tensor[],
    write: (target: Float32Array, ...sources: Float32Array[]) => void,
  ): Tensor {
    const tensor = this.memory.allocate(shape);
    // Allocating can move the memory: views are taken afterwards.
    write(this.memory.view(tensor), ...sources.map((source) => this.memory.view(source)));
    return tensor;
  }

  vector(size: number, value: number): Tensor {
    return this.tf.fill([size], value);
  }

  // ---- orders

  /** The value with its dimensions in another order in memory. */
  inOrder(x: Laid, order: Order): Laid {
    if (sameOrder(x.order, order)) return x;
    if (!movesData(x.shape, x.order, order)) return this.laid(x.tensor, x.shape, order);
    return { ...x, order, tensor: this.transposed(x.tensor, permutationBetween(x.order, order)) };
  }

  transposed(tensor: Tensor, permutation: readonly number[]): Tensor {
    const shape = permutation.map((d) => tensor.shape[d]);
    return this.filled(shape, [tensor], (target, source) => {
      transposeInto(source, tensor.shape, permutation, target);
    });
  }

  transposedMatrix(tensor: Tensor2D): Tensor2D {
    return this.transposed(tensor, [1, 0]) as Tensor2D;
  }

  plain(x: Laid): Laid {
    return this.inOrder(x, plainOrder(x.shape.length));
  }

  /** A logical reshape: moves data only where dimensions that are merged or split do not lie together. */
  reshape(x: Laid, shape: readonly number[]): Laid {
    const order = reshapedOrder(x.shape, x.order, shape);
    return order ? this.laid(x.tensor, shape, order) : this.laid(this.plain(x).tensor, shape);
  }

  /** With dimensions of size 1 before the others, to `rank`. */
  promote(x: Laid, rank: number): Laid {
    const missing = rank - x.shape.length;
    if (missing <= 0) return x;
    const shape = [...Array.from({ length: missing }, () => 1), ...x.shape];
    return this.laid(x.tensor, shape, promotedOrder(x.order, missing));
  }

  /** All values with the rank of the largest and in the order of the largest. */
  aligned(values: readonly Laid[]): readonly Laid[] {
    const rank = Math.max(...values.map((x) => x.shape.length));
    const promoted = values.map((x) => (x.shape.length === 0 ? x : this.promote(x, rank)));
    const largest = promoted.reduce((a, b) => (elementCount(b.shape) > elementCount(a.shape) ? b : a));
    return promoted.map((x) => (x.shape.length === 0 ? x : this.inOrder(x, largest.order)));
  }

  // ---- arithmetic

  /** A function of each element. */
  map(x: Laid, f: (tensor: Tensor) => Tensor): Laid {
    return { ...x, tensor: f(x.tensor) };
  }

  /** An element-wise operation with broadcasting; the result has `shape`. */
  binary(f: (a: Tensor, b: Tensor) => Tensor, a: Laid, b: Laid, shape: readonly number[]): Laid {
    const [x, y] = this.aligned([a, b]);
    const { order } = x.shape.length === shape.length ? x : y;
    return this.laid(f(x.tensor, y.tensor), shape, order);
  }

  /** Product of matrices, plus a row. */
  product(a: Tensor2D, b: Tensor2D, bias?: Tensor): Tensor2D {
    if (!this.simd) return this.tf.fused.matMul({ a, b, bias, transposeA: false, transposeB: false }) as Tensor2D;
    const [left, right] = [a, b].map((tensor) => ({ tensor, rows: tensor.shape[0], columns: tensor.shape[1] }));
    return denseProduct(this, this.simd, left, right, bias);
  }

  /** x · scale + shift over the last dimension in memory, in one pass: a depthwise convolution of 1 × 1. */
  affine(tensor: Tensor, scale: Tensor, shift: Tensor): Tensor {
    const channels = tensor.shape.at(-1) as number;
    const pixels = elementCount(tensor.shape) / channels;
    const x = this.images(tensor, 1, 1, pixels, channels);
    const filter = this.images(scale, 1, 1, channels, 1);
    const y = this.tf.fused.depthwiseConv2d({ x, filter, strides: 1, pad: 'valid', bias: shift });
    return this.asShape(y, tensor.shape);
  }

  /** Sum or mean over logical axes. */
  reduce(kind: 'sum' | 'mean', x: Laid, axes: readonly number[], keep: boolean): Laid {
    const kept = x.order.filter((d) => !axes.includes(d));
    const reduced = x.order.filter((d) => axes.includes(d));
    const count = elementCount(axes.map((axis) => x.shape[axis]));
    // Where they lie together at the end they are rows; anywhere else they are made to lead.
    const trailing = sameOrder(x.order, [...kept, ...reduced]);
    const rest = elementCount(x.shape) / count;
    const order = [...(trailing ? [...kept, ...reduced] : [...reduced, ...kept])];
    const mean = trailing
      ? this.meanOfLast(this.matrix(x.tensor, rest, count))
      : this.meanOfLeading(x, reduced, kept, count);
    const shape = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
    const result = this.laid(kind === 'mean' ? mean : this.tf.mul(mean, count), shape, order);
    return keep
      ? result
      : this.reshape(
          result,
          x.shape.filter((_, i) => !axes.includes(i)),
        );
  }

  /** Mean of every row of [rows, n]: a vector. Summed in double precision, as fast as a product with ones. */
  meanOfLast(x: Tensor2D): Tensor {
    const [rows, n] = x.shape;
    return this.filled([rows], [x], (target, source) => {
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let i = row * n; i < (row + 1) * n; i++) sum += source[i];
        target[row] = sum / n;
      }
    });
  }

  private meanOfLeading(x: Laid, reduced: Order, kept: Order, count: number): Tensor {
    const outer = x.order.slice(0, x.order.indexOf(reduced[0]));
    const contiguous = sameOrder(x.order, [...outer, ...reduced, ...kept.slice(outer.length)]);
    const groups = contiguous ? elementCount(outer.map((d) => x.shape[d])) : 1;
    const laid = contiguous ? x : this.inOrder(x, [...reduced, ...kept]);
    return meanOfRows(this, laid.tensor, groups, count);
  }

  /** 1 / batch size. */
  get inverseBatch(): number {
    return 1 / this.batch;
  }
}
