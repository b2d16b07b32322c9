/**
 * Direct access to the numbers of tfjs tensors, for the kernels that tfjs lacks or has only slowly: they are loops over the backend's own
 * memory, with nothing copied in or out.
 */

import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { UserError } from '../../../common/errors.ts';

export type Tfjs = typeof import('@tensorflow/tfjs-core');

export interface TensorMemory {
  /** A new tensor whose numbers are still to be written. */
  allocate(shape: readonly number[]): Tensor;
  /** The numbers of a tensor as they lie. Valid until the next allocation, which can move the memory. */
  view(tensor: Tensor): Float32Array;
}

const adopt = (tf: Tfjs, info: TensorInfo): Tensor => tf.engine().makeTensorFromTensorInfo(info);

/** What a WebAssembly module can address: 4 GiB. */
const OUT_OF_MEMORY =
  'The embedded kernels ran out of memory (WebAssembly has 4 GiB): take a smaller batch size, or run `espalier runtime install`.';

interface Allocator {
  _malloc(bytes: number): number;
}

/** Makes an allocation that fails an error, in place of a tensor at address 0. */
export function checkAllocations(backend: BackendWasm): void {
  const wasm = backend.wasm as unknown as Allocator;
  const allocate = wasm._malloc;
  wasm._malloc = (bytes) => {
    const address = allocate(bytes);
    if (address === 0 && bytes > 0) throw new UserError(OUT_OF_MEMORY);
    return address;
  };
}

/** Tensors on the heap of the WebAssembly module. */
export function wasmMemory(tf: Tfjs, backend: BackendWasm): TensorMemory {
  return {
    allocate: (shape) => adopt(tf, backend.makeOutput([...shape], 'float32')),
    view: (tensor) => backend.typedArrayFromHeap(tensor) as Float32Array,
  };
}

/** Tensors of the plain JavaScript backend: arrays of their own. */
export function plainMemory(tf: Tfjs, backend: MathBackendCPU): TensorMemory {
  return {
    allocate: (shape) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return adopt(tf, backend.makeTensorInfo([...shape], 'float32', new Float32Array(size)));
    },
    view: (tensor) => backend.readSync(tensor.dataId) as Float32Array,
  };
}
