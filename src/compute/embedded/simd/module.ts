/** Kernels of our own on tfjs's memory. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tensor } from '@tensorflow/tfjs-core';
import { assembleModule, type FunctionBuilder } from '../../../support/assembler.ts';
import { gelu, geluGradient, relu6Gradient, reluGradient } from './activations.ts';
import { depthwiseRow, depthwiseRowGradient } from './depthwise.ts';
import { outerProducts, products, rowProducts } from './matrix.ts';
import { combine, gradientSums, squaredDeviations } from './normalisation.ts';

const builders = {
  products,
  rowProducts,
  outerProducts,
  gelu,
  geluGradient,
  reluGradient,
  relu6Gradient,
  squaredDeviations,
  gradientSums,
  combine,
  depthwiseRow3: () => depthwiseRow(3),
  depthwiseRow5: () => depthwiseRow(5),
  depthwiseRow7: () => depthwiseRow(7),
  depthwiseRowGradient3: () => depthwiseRowGradient(3),
  depthwiseRowGradient5: () => depthwiseRowGradient(5),
  depthwiseRowGradient7: () => depthwiseRowGradient(7),
} as const satisfies Record<string, () => FunctionBuilder>;

/** Functions of addresses and counts; see where they are built for their parameters. */
type Functions = Readonly<Record<keyof typeof builders, (...parameters: number[]) => void>>;

export interface SimdKernels extends Functions {
  /** Where a tensor's numbers begin in memory, in bytes. */
  address(tensor: Tensor): number;
}

/** Emscripten gives its memory's exports under a name, or the memory itself where threads share it. */
interface EmscriptenMemory {
  readonly wasmMemory?: WebAssembly.Memory;
  readonly asm: { readonly memory?: WebAssembly.Memory };
}

/** The kernels, or undefined where the backend's memory is not to be found. */
export function loadSimdKernels(backend: BackendWasm): SimdKernels | undefined {
  const { wasmMemory, asm } = backend.wasm as unknown as EmscriptenMemory;
  const memory = wasmMemory ?? asm.memory;
  if (!memory) return undefined;
  const shared = memory.buffer instanceof SharedArrayBuffer;
  const functions = Object.values(builders).map((build) => build());
  const code = assembleModule(functions, shared ? 'imported shared' : 'imported');
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
  return { ...(exports as unknown as Functions), address: (tensor) => backend.getMemoryOffset(tensor.dataId) };
}
