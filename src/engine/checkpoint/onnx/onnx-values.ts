/** What the name of a value in an ONNX file stands for while it is imported. */
import { UserError } from '../../../common/errors.ts';
import { always, type Constant, constantOf, plain, tensorOf } from './constants.ts';
import type { DraftId, StoredTensor } from './draft.ts';
import { isReadable } from './names.ts';
import type { OnnxTensor } from './onnx-tensor.ts';

/** A number or an array that the network is built with: sizes, indices, masks. */
export interface KnownValue {
  readonly kind: 'known';
  readonly name: string;
  /** Module path of the node that gives it; '' for a tensor of the file. */
  readonly path: string;
  readonly constant: Constant;
}

/** A weight, or something computed of weights alone: a parameter in its layer's shape, or a value computed anew every time. */
export interface WeightValue {
  readonly kind: 'weight';
  readonly name: string;
  /** How many operators it is away from the file's tensors. */
  readonly depth: number;
  /** Whether it is one tensor of the file, at most in another shape. */
  readonly isWhole: boolean;
  /** Whether elements of several tensors are in it, or others besides those of one. */
  readonly isJoined: boolean;
  /** The matrix that it is transposed of. */
  readonly transposeOf?: WeightValue;
  shape(): readonly number[];
  constant(): Constant;
  /** The value as a node, made when it is first asked for, in the module of who asks. */
  draft(path: string): DraftId;
}

interface ComputedValue {
  readonly kind: 'computed';
  readonly draft: DraftId;
}

/** The same for every image, or a number of the image: one image's part. */
export interface RepeatedValue {
  readonly kind: 'repeated';
  readonly name: string;
  readonly path: string;
  /** For the images 0 and 1. */
  readonly constant: Constant;
  /** Where the value has the batch, times the entries that the constant has there. */
  readonly axis: number;
}

export type Value = KnownValue | WeightValue | ComputedValue | RepeatedValue;

/** Operators between a weight and its tensor: normalised weights have a dozen. */
const MAX_DEPTH = 200;

/** Calls a function once, when it is first needed. */
function once<T, A extends readonly unknown[]>(make: (...values: A) => T): (...values: A) => T {
  let made: { value: T } | undefined;
  return (...values) => {
    made ??= { value: make(...values) };
    return made.value;
  };
}

/** A value computed of weights by an operator. `shape`: where it is known without the numbers. */
export function weightOf(
  inputs: readonly Value[],
  name: string,
  {
    constant,
    draft,
    shape,
    ...is
  }: Pick<WeightValue, 'constant' | 'draft' | 'isWhole' | 'isJoined' | 'transposeOf'> & {
    readonly shape?: readonly number[];
  },
): WeightValue {
  const depth = 1 + Math.max(...inputs.map((input) => (input.kind === 'weight' ? input.depth : 0)));
  if (depth > MAX_DEPTH) throw new UserError(`${name} is computed in more than ${MAX_DEPTH} steps of weights.`);
  const folded = once(constant);
  const shapeOf = (): readonly number[] => shape ?? folded().each[0].shape;
  return { kind: 'weight', name, depth, ...is, shape: shapeOf, constant: folded, draft: once(draft) };
}

/** A weight as a layer's parameter. */
export const storedTensor = (value: KnownValue | WeightValue): StoredTensor => ({
  name: value.name,
  shape: value.kind === 'weight' ? value.shape() : value.constant.each[0].shape,
  ...(value.kind === 'weight' && !value.isWhole && { isComputed: true }),
  ...(value.kind === 'weight' && value.transposeOf && { transposeOf: storedTensor(value.transposeOf) }),
  read: () => tensorOf(value.kind === 'weight' ? value.constant() : value.constant),
});

/** A matrix [a, b] as [b, a]. */
export const transposedMatrix = (tensor: StoredTensor): StoredTensor => {
  if (tensor.transposeOf) return { ...tensor.transposeOf, name: tensor.name };
  const [rows, columns] = tensor.shape;
  return {
    name: tensor.name,
    shape: [columns, rows],
    read: () => {
      const { data } = tensor.read();
      const result = new Float32Array(data.length);
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = data[r * columns + c];
      return { dtype: 'float32', shape: [columns, rows], data: result };
    },
  };
};

/** Every element changed. */
export const mappedTensor = (tensor: StoredTensor, of: (v: number) => number): StoredTensor => ({
  ...tensor,
  read: () => ({ dtype: 'float32', shape: tensor.shape, data: tensor.read().data.map(of) }),
});

/** The same elements in another shape. */
export const reshapedTensor = (tensor: StoredTensor, shape: readonly number[]): StoredTensor => ({
  ...tensor,
  shape,
  read: () => ({ dtype: 'float32', shape, data: tensor.read().data }),
});

/** One number repeated: the scale of a norm that the file has none for. */
export const filledTensor = (name: string, size: number, value: number): StoredTensor => ({
  name,
  shape: [size],
  read: () => tensorOf(always(plain('float', [size], new Float32Array(size).fill(value)))),
});

/**
 * An initialiser: a weight where it may be trained, else known. Integers and truths are known, and of floats single
 * numbers that have no name of their own, and masks.
 */
export function initialiserValue(
  tensor: Pick<OnnxTensor, 'name' | 'shape' | 'dtype' | 'role' | 'read'>,
  emit: (tensor: StoredTensor, path: string) => DraftId,
): Value {
  const { name, shape, dtype } = tensor;
  const constant = once(() => constantOf(tensor.read()));
  const isFloatingPoint = dtype?.startsWith('float') || dtype === 'bfloat16';
  const count = shape.reduce((a, b) => a * b, 1);
  const looksConstant = (count === 1 && (shape.length === 0 || !isReadable(name))) || /(^|[/_.])[Cc]onstant/.test(name);
  const isConstant = tensor.role ? tensor.role === 'constant' : looksConstant;
  if (!isFloatingPoint || isConstant)
    return {
      kind: 'known',
      name,
      path: '',
      get constant() {
        return constant();
      },
    };
  const value: WeightValue = {
    kind: 'weight',
    name,
    depth: 0,
    isWhole: true,
    isJoined: false,
    shape: () => shape,
    constant,
    draft: once((path) => emit(storedTensor(value), path)),
  };
  return value;
}

/** From here on a score does nothing behind a softmax: masks are 0 and something below this. */
const MASKED = -50;

/** Whether a tensor is an attention mask: 0 for what is seen, one very low number for the rest. */
export function isMask(data: ArrayLike<number>): boolean {
  let low = 0;
  for (let i = 0; i < data.length; i++) {
    const v = data[i];
    if (v === 0 || v === low) continue;
    if (low !== 0 || !(v <= MASKED)) return false;
    low = v;
  }
  return low !== 0;
}
