/** What the kernels for constants share: inputs and attributes of a node, broadcasting, and elements in another order. */
import { elementCount } from '../../graph/tensor.ts';
import { type ConstantType, type Plain, plain } from './constants.ts';

/** What a kernel sees of its node. */
export interface FoldContext {
  readonly inputs: readonly (Plain | undefined)[];
  int(name: string, otherwise: number): number;
  ints(name: string): readonly number[] | undefined;
  float(name: string, otherwise: number): number;
  string(name: string, otherwise: string): string;
  /** The tensor of an attribute. */
  tensor(name: string): Plain | undefined;
  readonly outputs: number;
  /** An array of zeros for so many elements, which are counted. */
  allocate(type: ConstantType, count: number): Float32Array | Float64Array;
}

/** What makes elements: a kernel's context. */
export type Allocator = Pick<FoldContext, 'allocate'>;

/** One result, or several; throws a FoldError where the numbers do not fit. */
export type FoldKernel = (context: FoldContext) => Plain | readonly Plain[];

/** Numbers that do not fit together; the caller says in which node. */
export class FoldError extends Error {}

/** Elements of a folded value: masks and tables have thousands; more is a mistake or an attack on the memory. */
const MAX_ELEMENTS = 1 << 26;

export function countOf(shape: readonly number[]): number {
  const count = elementCount(shape);
  if (!(count <= MAX_ELEMENTS) || shape.some((size) => size < 0 || !Number.isInteger(size)))
    throw new FoldError(`a constant of the shape [${shape.join(', ')}] is not possible`);
  return count;
}

export const need = ({ inputs }: FoldContext, i: number): Plain => {
  const found = inputs[i];
  if (!found) throw new FoldError(`input ${i} is missing`);
  return found;
};

export const numbers = (value: Plain | undefined): number[] | undefined => value && Array.from(value.data);

/** An attribute of older operator sets, or the input that took its place. */
export const listOf = (context: FoldContext, name: string, input: number): readonly number[] | undefined =>
  context.ints(name) ?? numbers(context.inputs[input]);

export function axisOf(axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= Math.max(rank, 1)) throw new FoldError(`there is no dimension ${axis}`);
  return at;
}

export const strides = (shape: readonly number[]): number[] => {
  const result = new Array<number>(shape.length);
  for (let i = shape.length - 1, step = 1; i >= 0; i--) {
    result[i] = step;
    step *= shape[i];
  }
  return result;
};

/** Fills a tensor by the source index of every element: `from` has the source's step for each dimension of the result. */
export function gathered(
  { allocate }: Allocator,
  x: Plain,
  shape: readonly number[],
  from: readonly number[],
  start = 0,
): Plain {
  const count = countOf(shape);
  const data = allocate(x.type, count);
  const index = shape.map(() => 0);
  for (let i = 0, at = start; i < count; i++) {
    data[i] = x.data[at];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += from[axis];
      if (++index[axis] < shape[axis]) break;
      at -= from[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return plain(x.type, shape, data);
}

export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new FoldError(`[${a}] and [${b}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

export function expandTo(to: Allocator, x: Plain, shape: readonly number[]): Plain {
  if (String(x.shape) === String(shape)) return x;
  const own = strides(x.shape);
  const lead = shape.length - x.shape.length;
  const from = shape.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : own[i - lead]));
  return gathered(to, x, shape, from);
}

export const reshaped = (x: Plain, shape: readonly number[]): Plain => {
  if (elementCount(shape) !== x.data.length) throw new FoldError(`[${x.shape}] cannot become [${shape}]`);
  return plain(x.type, shape, x.data);
};

export const mapped = ({ allocate }: Allocator, x: Plain, type: ConstantType, of: (v: number) => number): Plain => {
  const data = allocate(type, x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = of(x.data[i]);
  return plain(type, x.shape, data);
};
