/**
 * What the rules that turn kernels into ONNX operators work with. Values lie as PyTorch's: N, C, H, W, weights O, I, kh, kw. The batch size
 * stays open: where a shape needs it, it is read from an input at run time.
 */
import type { Shape } from '../../graph/operations.ts';
import { sizePerImage } from '../../graph/shapes.ts';
import type { KernelKind } from '../programs/kernels.ts';
import type { KernelNode } from '../programs/program.ts';
import { type Attributes, MICROSOFT, OnnxGraph } from './onnx-graph.ts';

/** A value in the ONNX graph. */
export interface Value {
  readonly name: string;
  /** −k is k times the batch size. */
  readonly shape: Shape;
}

/** Rule of one kernel: the names of its outputs from its inputs. */
export type LoweringRule<K extends KernelKind> = (
  lowering: KernelLowering,
  node: KernelNode<K>,
  inputs: readonly Value[],
) => readonly string[];

/** A factor: its name, its rank, and whether its last two dimensions are swapped first. */
type Operand = readonly [name: string, rank: number, transposed: boolean];

/** Beyond the end of any dimension. */
const END = 2 ** 31 - 1;

export class KernelLowering {
  readonly graph = new OnnxGraph();
  readonly #sizes = new Map<string, string>();
  /** What a kernel computed beside its outputs for the kernel of its gradient, by the name of an output. */
  readonly saved = new Map<string, string>();

  /**
   * `batched` names an input whose first dimension is the batch. `fused`: with the operators that ONNX Runtime would find by itself, so that
   * it need not look for them, which takes seconds for a train step. `channelBlock`: channels that a blocked convolution takes at once.
   */
  constructor(
    private readonly batched: () => string,
    private readonly fused: boolean,
    readonly channelBlock?: number,
  ) {}

  op(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.graph.op(type, inputs, attributes);
  }

  /** An operator of ONNX Runtime's own. */
  contributed(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.graph.op(type, inputs, attributes, MICROSOFT);
  }

  // ---- arithmetic

  add(a: string | number, b: string | number): string {
    return this.op('Add', [this.operand(a), this.operand(b)]);
  }

  subtract(a: string | number, b: string | number): string {
    return this.op('Sub', [this.operand(a), this.operand(b)]);
  }

  multiply(a: string | number, b: string | number): string {
    return this.op('Mul', [this.operand(a), this.operand(b)]);
  }

  divide(a: string, b: string | number): string {
    return this.op('Div', [a, this.operand(b)]);
  }

  private operand(value: string | number): string {
    return typeof value === 'number' ? this.graph.float(value) : value;
  }

  /** Batched product of the last two dimensions of values of some rank, each first transposed where said. */
  product(a: Operand, b: Operand): string {
    if (this.fused) {
      const attributes = { transA: a[2] ? 1 : 0, transB: b[2] ? 1 : 0 };
      return this.contributed('FusedMatMul', [a[0], b[0]], attributes);
    }
    const plain = ([name, rank, transposed]: Operand): string => {
      const order = Array.from({ length: rank - 2 }, (_, i) => i);
      return transposed ? this.transpose(name, [...order, rank - 1, rank - 2]) : name;
    };
    return this.op('MatMul', [plain(a), plain(b)]);
  }

  /** (x + eps)^−½ */
  inverseRoot(x: string, eps: number): string {
    return this.op('Reciprocal', [this.op('Sqrt', [this.add(x, eps)])]);
  }

  sum(x: string, axes: readonly number[], keep: boolean): string {
    return this.op('ReduceSum', [x, this.graph.ints(axes)], { keepdims: keep ? 1 : 0 });
  }

  mean(x: string, axes: readonly number[], keep: boolean): string {
    return this.op('ReduceMean', [x], { axes, keepdims: keep ? 1 : 0 });
  }

  // ---- shapes

  /** The batch size, an int64 vector of one. */
  batch(): string {
    const known = this.#sizes.get('');
    if (known) return known;
    const size = this.op('Shape', [this.batched()], { start: 0, end: 1 });
    this.#sizes.set('', size);
    return size;
  }

  /** The batch size as a float scalar. */
  batchCount(): string {
    const count = this.op('Cast', [this.batch()], { to: 1 });
    return this.op('Squeeze', [count, this.graph.ints([0])]);
  }

  /** Number of elements of a shape, a float scalar. */
  count(shape: Shape): string {
    const perImage = sizePerImage(shape);
    return shape.some((d) => d < 0) ? this.multiply(this.batchCount(), perImage) : this.graph.float(perImage);
  }

  /** Sizes as an int64 vector, with the batch size filled in. */
  sizes(shape: Shape): string {
    if (shape.every((d) => d >= 0)) return this.graph.ints(shape);
    const known = this.#sizes.get(String(shape));
    if (known) return known;
    const parts = shape.map((d) => {
      if (d >= 0) return this.graph.ints([d]);
      return d === -1 ? this.batch() : this.op('Mul', [this.batch(), this.graph.ints([-d])]);
    });
    const sizes = this.op('Concat', parts, { axis: 0 });
    this.#sizes.set(String(shape), sizes);
    return sizes;
  }

  /** The elements as they lie, read as `shape`. */
  reshape(x: string, shape: Shape): string {
    const open = shape.filter((d) => d < 0).length;
    const sizes = open === 1 ? this.graph.ints(shape.map((d) => (d < 0 ? -1 : d))) : this.sizes(shape);
    return this.op('Reshape', [x, sizes]);
  }

  transpose(x: string, permutation: readonly number[]): string {
    return permutation.every((d, i) => d === i) ? x : this.op('Transpose', [x], { perm: permutation });
  }

  /** Elements start, start + step, … below end of each dimension named. */
  slice(x: string, cuts: readonly { axis: number; start: number; end: number; step?: number }[]): string {
    const list = (of: (cut: (typeof cuts)[number]) => number): string => this.graph.ints(cuts.map(of));
    return this.op('Slice', [
      x,
      list((cut) => cut.start),
      list((cut) => cut.end),
      list((cut) => cut.axis),
      list((cut) => cut.step ?? 1),
    ]);
  }

  /** The elements of some dimensions in reverse order. */
  flip(x: string, axes: readonly number[]): string {
    return this.slice(
      x,
      axes.map((axis) => ({ axis, start: END, end: -END, step: -1 })),
    );
  }

  /** Zeros before and after each dimension. */
  pad(x: string, before: readonly number[], after: readonly number[]): string {
    const amounts = [...before, ...after];
    return amounts.every((n) => n === 0) ? x : this.op('Pad', [x, this.graph.ints(amounts)]);
  }

  /** A vector along dimension `axis` of values of this rank. */
  along(vector: string, axis: number, rank: number): string {
    return axis === rank - 1 ? vector : this.reshape(vector, [-1, ...Array.from({ length: rank - axis - 1 }, () => 1)]);
  }
}

/** All dimensions but the last as one: the shape of the rows. */
export const asRows = (shape: Shape): Shape => {
  const leading = shape.slice(0, -1);
  return [sizePerImage(leading) * (leading.some((d) => d < 0) ? -1 : 1), shape.at(-1) as number];
};

/** Weights [C, 1, kh, kw] of as many groups as channels. */
export const isDepthwise = (groups: number, [out, into]: Shape): boolean => groups > 1 && into === 1 && out === groups;
