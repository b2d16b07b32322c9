/**
 * Values that do not depend on the images: constants, and sizes that depend on the batch.
 *
 * The batch size is open, so whatever depends on it is computed for two sizes that no network has; a number that is the
 * same for both is a constant, one that grows with them is a multiple of the batch.
 */

import { UserError } from '../../../common/errors.ts';
import type { Dimension, Shape } from '../../graph/operations.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { float32Tensor, toFloat32 } from '../../graph/tensor.ts';
import { isFloat } from '../convert.ts';

/** Two primes: no size of a network is a multiple of them, and comparisons with its sizes come out alike for both. */
const BATCHES = [10007, 20011] as const;

export type ConstantType = 'float' | 'int' | 'bool';

/** A tensor of numbers: floats rounded to float32, integers exact up to 2⁵³. */
export interface Plain {
  readonly type: ConstantType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** A constant, for each of the two batch sizes; the same object twice where the batch does not matter. */
export interface Constant {
  readonly each: readonly [Plain, Plain];
  /** Computed of the sizes of a value: with other sizes it would be another. */
  readonly ofSizes?: boolean;
}

export const plain = (type: ConstantType, shape: readonly number[], data: Float32Array | Float64Array): Plain => ({
  type,
  shape,
  data,
});

export const arrayFor = (type: ConstantType, length: number): Float32Array | Float64Array =>
  type === 'float' ? new Float32Array(length) : new Float64Array(length);

export const always = (value: Plain): Constant => ({ each: [value, value] });

/** Whether it is the same for every batch size. */
export const isFixed = ({ each: [a, b] }: Constant): boolean =>
  a === b || (a.type === b.type && String(a.shape) === String(b.shape) && a.data.every((v, i) => v === b.data[i]));

/** A tensor of a file. Half-precision and double floats become float32. */
export function constantOf(tensor: Tensor): Constant {
  const { dtype, shape } = tensor;
  if (isFloat(dtype)) return always(plain('float', shape, toFloat32(tensor)));
  const data = Float64Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  return always(plain(dtype === 'bool' ? 'bool' : 'int', shape, data));
}

const integers = (values: readonly number[]): Constant =>
  always(plain('int', [values.length], Float64Array.from(values)));

export const tensorOf = ({ each: [{ shape, data }] }: Constant): Tensor<'float32'> =>
  float32Tensor(shape, data instanceof Float32Array ? data : Float32Array.from(data));

/** The sizes of a value, as the operator Shape gives them. */
export function sizesOf(shape: Shape): Constant {
  if (shape.every((d) => d >= 0)) return { ...integers(shape), ofSizes: true };
  const sized = (batch: number): Plain =>
    plain(
      'int',
      [shape.length],
      Float64Array.from(shape, (d) => (d < 0 ? -d * batch : d)),
    );
  return { each: [sized(BATCHES[0]), sized(BATCHES[1])], ofSizes: true };
}

/** One number that is wanted as a size, or as something else that counts. */
export interface Size {
  /** A fixed number; undefined for a multiple of the batch. */
  readonly fixed?: number;
  /** How many times the batch; 0 for a fixed number. */
  readonly batches: number;
}

/**
 * The numbers of a constant as sizes.
 * @throws UserError for one that depends on the batch in another way than being a multiple of it
 */
export function sizes({ each: [a, b] }: Constant, label: string): readonly Size[] {
  return Array.from(a.data, (first, i): Size => {
    const second = b.data[i];
    if (first === second) return { fixed: first, batches: 0 };
    const batches = first / BATCHES[0];
    if (Number.isInteger(batches) && batches > 0 && second / BATCHES[1] === batches) return { batches };
    throw new UserError(
      `${label} depends on the number of images in a way that Espalier cannot follow (${first} for ${BATCHES[0]} images, ${second} for ${BATCHES[1]}).`,
    );
  });
}

export const dimensionOf = ({ fixed, batches }: Size): Dimension => fixed ?? -batches;
