/**
 * Direct access to the numbers of tfjs tensors, for the kernels that tfjs lacks or has only slowly: they are loops over the backend's own
 * memory, with nothing copied in or out.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { Tfjs } from './tfjs.ts';

export interface TensorMemory {
  /** A new tensor whose numbers are still to be written. */
  allocate(shape: readonly number[]): Tensor;
  /** The numbers of a tensor as they lie. Valid until the next allocation, which can move the memory. */
  view(tensor: Tensor): Float32Array;
}

const adopt = (tf: Tfjs, info: TensorInfo): Tensor => tf.engine().makeTensorFromTensorInfo(info);

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
