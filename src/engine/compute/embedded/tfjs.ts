/** tfjs, loaded when it is first needed, quietly, on the fastest backend that works here. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { checkAllocations, plainMemory, type TensorMemory, type Tfjs, wasmMemory } from './memory.ts';
import { defaultThreads, loadSharedModule } from './shared-memory.ts';
import { loadSimdKernels, type SimdKernels } from './simd/module.ts';

export type { Tfjs } from './memory.ts';

/** tfjs with one backend started. */
export interface LoadedTfjs {
  readonly tf: Tfjs;
  readonly memory: TensorMemory;
  /** Kernels of our own on the backend's memory; plain JavaScript has none. */
  readonly simd?: SimdKernels;
  /** For the person: `WebAssembly SIMD`. */
  readonly label: string;
}

export interface TfjsOptions {
  /** `plain`: JavaScript, even where WebAssembly works. */
  readonly kernels?: 'fastest' | 'plain';
  /** All cores by default. */
  readonly threads?: number;
}

type WasmPackage = typeof import('@tensorflow/tfjs-backend-wasm');

const WASM_PACKAGE = '@tensorflow/tfjs-backend-wasm';
const WASM_FILE = 'tfjs-backend-wasm-simd.wasm';

/** CommonJS is what the build makes; the source runs as ES modules, which have no `__dirname`. */
declare const __dirname: string | undefined;

/** The folder of the compiled kernels, with a separator at its end: beside the bundle, else in node_modules. */
function wasmFolder(): string {
  const beside = typeof __dirname === 'string' ? __dirname : undefined;
  if (beside && existsSync(path.join(beside, WASM_FILE))) return beside + path.sep;
  const main = createRequire(import.meta.url).resolve(WASM_PACKAGE);
  return path.resolve(path.dirname(main), '..', 'wasm-out') + path.sep;
}

/** Emscripten adds handlers that end the process on any unhandled rejection: takes away those that `start` added. */
async function withoutProcessHandlers<R>(start: () => Promise<R>): Promise<R> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => new Set(process.listeners(event as 'uncaughtException')));
  try {
    return await start();
  } finally {
    events.forEach((event, i) => {
      for (const listener of process.listeners(event as 'uncaughtException'))
        if (!before[i].has(listener)) process.removeListener(event, listener);
    });
  }
}

/** Starts tfjs's WebAssembly backend on shared memory in place of its own. */
async function startShared(tf: Tfjs, wasm: WasmPackage): Promise<boolean> {
  const module = await loadSharedModule(wasmFolder());
  if (!module) return false;
  tf.removeBackend('wasm');
  tf.registerBackend('wasm', () => new wasm.BackendWasm(module));
  return tf.setBackend('wasm');
}

/** The WebAssembly backend, where there is SIMD, or undefined. */
async function startWasm(tf: Tfjs, threads: number): Promise<LoadedTfjs | undefined> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'))) return undefined;
  wasm.setWasmPaths(wasmFolder());
  const shared = threads > 1 && (await startShared(tf, wasm));
  const started = shared || (await withoutProcessHandlers(() => tf.setBackend('wasm')).catch(() => false));
  if (!started) return undefined;
  const backend = tf.backend() as InstanceType<WasmPackage['BackendWasm']>;
  const simd = loadSimdKernels(backend, shared ? threads : 1);
  if (!simd) return undefined;
  checkAllocations(backend);
  const label = `WebAssembly SIMD${shared ? `, ${threads} threads` : ''}`;
  return { tf, memory: wasmMemory(tf, backend), simd, label };
}

async function startPlain(tf: Tfjs): Promise<LoadedTfjs> {
  const { MathBackendCPU } = await import('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  const backend = tf.backend() as InstanceType<typeof MathBackendCPU>;
  return { tf, memory: plainMemory(tf, backend), label: 'JavaScript' };
}

async function load({ kernels = 'fastest', threads = defaultThreads() }: TfjsOptions): Promise<LoadedTfjs> {
  const tf = await import('@tensorflow/tfjs-core');
  // Production mode: no advertisement on the console, no checks of every kernel's output.
  tf.env().set('PROD', true);
  const wasm = kernels === 'fastest' ? await startWasm(tf, threads) : undefined;
  return wasm ?? startPlain(tf);
}

let loaded: Promise<LoadedTfjs> | undefined;

/** tfjs is one per process, and so are its backend and its memory: the first call's options hold. */
export function loadTfjs(options: TfjsOptions = {}): Promise<LoadedTfjs> {
  loaded ??= load(options);
  return loaded;
}
