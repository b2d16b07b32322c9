/** Kernels of our own on tfjs's memory. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tensor } from '@tensorflow/tfjs-core';
import { assembleModule, type FunctionBuilder } from '../../../../common/assembler.ts';
import { gelu, geluGradient, relu6Gradient, reluGradient } from './activations.ts';
import { depthwiseRow, depthwiseRowGradient } from './depthwise.ts';
import { outerProducts, products } from './matrix.ts';
import { combine, gradientSums, squaredDeviations } from './normalisation.ts';
import { KernelPool } from './pool.ts';

const builders = {
  products1: () => products(1),
  products2: () => products(2),
  products3: () => products(3),
  products4: () => products(4),
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

export type KernelName = keyof typeof builders;

/** Runs a kernel: addresses and counts, see where it is built. */
export type Call = (kernel: KernelName, ...parameters: number[]) => void;

export interface SimdKernels {
  /** Where a tensor's numbers begin in memory, in bytes. */
  address(tensor: Tensor): number;
  /** Runs a kernel now. */
  readonly call: Call;
  /**
   * Work of `count` independent parts, shared out: `part` makes the calls for some of them, through its own `call`, perhaps later, and in
   * any order among the parts. They are done when it returns.
   *
   * @param work multiplications in all; little work is not shared
   */
  share(count: number, work: number, part: (call: Call, first: number, last: number) => void): void;
}

/** Emscripten gives its memory's exports under a name, or the memory itself where threads share it. */
interface EmscriptenMemory {
  readonly wasmMemory?: WebAssembly.Memory;
  readonly asm: { readonly memory?: WebAssembly.Memory };
}

/** Work below which waking threads is not worth it. */
const WORTH_SHARING = 2 ** 20;
/** Lanes for each thread: the faster ones take more. */
const LANES_PER_THREAD = 4;

/** The kernels, or undefined where the backend's memory is not to be found. Only shared memory can have `threads`. */
export function loadSimdKernels(backend: BackendWasm, threads: number): SimdKernels | undefined {
  const { wasmMemory, asm } = backend.wasm as unknown as EmscriptenMemory;
  const memory = wasmMemory ?? asm.memory;
  if (!memory) return undefined;
  const shared = memory.buffer instanceof SharedArrayBuffer;
  const functions = Object.values(builders).map((build) => build());
  const module = new WebAssembly.Module(assembleModule(functions, shared ? 'imported shared' : 'imported'));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = exports as unknown as Record<KernelName, (...parameters: number[]) => void>;
  const names = Object.keys(builders) as KernelName[];
  const address = (tensor: Tensor): number => backend.getMemoryOffset(tensor.dataId);
  const call: Call = (kernel, ...parameters) => kernels[kernel](...parameters);
  if (!shared || threads < 2) return { address, call, share: (count, _, part) => part(call, 0, count) };
  const list = names.map((name) => kernels[name]);
  const pool = new KernelPool({ module, memory, names, kernels: list, threads });
  return { address, call, share: sharing(pool, names, threads, call) };
}

function sharing(pool: KernelPool, names: readonly KernelName[], threads: number, call: Call): SimdKernels['share'] {
  const numbers = Object.fromEntries(names.map((name, i) => [name, i])) as Record<KernelName, number>;
  const record: Call = (kernel, ...parameters) => pool.record(numbers[kernel], parameters);
  return (count, work, part) => {
    const lanes = Math.min(count, threads * LANES_PER_THREAD);
    if (work < WORTH_SHARING || lanes < 2) {
      part(call, 0, count);
      return;
    }
    for (let lane = 0; lane < lanes; lane++) {
      part(record, Math.floor((lane * count) / lanes), Math.floor(((lane + 1) * count) / lanes));
      pool.closeLane();
    }
    pool.run();
  };
}
