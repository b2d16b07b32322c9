/** Tensors to be written one after another, so that a large network never lies in memory as a whole. */

import { UserError } from '../../common/errors.ts';
import type { DType, Tensor, Weights } from '../graph/tensor.ts';
import { BYTES_PER_ELEMENT, elementCount } from '../graph/tensor.ts';
import { bytesOf } from './tensor-bytes.ts';

/** What will be written under a name. */
export interface StreamedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Called once, when its turn comes. */
  load(): Tensor | Promise<Tensor>;
}

export type WritableTensor = Tensor | StreamedTensor;

/** A state dict to be written: in memory, or tensor by tensor. */
export type WritableWeights = Weights | ReadonlyMap<string, StreamedTensor>;

export function byteLength({ dtype, shape }: { dtype: DType; shape: readonly number[] }): number {
  return elementCount(shape) * BYTES_PER_ELEMENT[dtype];
}

/** A tensor's bytes, checked against what was announced. */
export async function bytesToWrite(name: string, tensor: Tensor | StreamedTensor): Promise<Uint8Array> {
  const { dtype, data } = 'load' in tensor ? await tensor.load() : tensor;
  const bytes = bytesOf(data);
  if (dtype !== tensor.dtype || bytes.byteLength !== byteLength(tensor)) {
    throw new UserError(
      `Tensor '${name}' was to be written as ${tensor.dtype} [${tensor.shape.join(', ')}], and is ${dtype} with ${data.length} elements.`,
    );
  }
  return bytes;
}
