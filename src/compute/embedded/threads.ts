/**
 * The threaded build of tfjs's WebAssembly kernels in Node. tfjs itself uses it in browsers only: its loader starts threads from blobs, and
 * counts only half of the cores. Emscripten's loader is run here with a `require` and a Worker of our own.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { compileFunction } from 'node:vm';
import { Worker } from 'node:worker_threads';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

type WasmModule = BackendWasm['wasm'];

/** What Emscripten's module has beside its functions. */
interface EmscriptenModule {
  cwrap(name: string, result: string | null, parameters: readonly string[]): unknown;
  readonly PThread: { readonly runningWorkers: Worker[]; readonly unusedWorkers: Worker[] };
}

type Factory = (options: {
  locateFile(name: string): string;
  mainScriptUrlOrBlob: string;
}) => Promise<EmscriptenModule>;

const NAME = 'tfjs-backend-wasm-threaded-simd';
/** The kernels' own limit. */
const MOST_THREADS = 8;
const LOADING_TIME_LIMIT = 20_000;

export const defaultThreads = (): number => Math.min(os.availableParallelism(), MOST_THREADS);

/** Runs a CommonJS file's text with some names given other values; returns its exports. */
function evaluate(file: string, text: string, names: Readonly<Record<string, unknown>> = {}): unknown {
  const module = { exports: {} as unknown };
  const scope = { module, exports: module.exports, __filename: file, __dirname: path.dirname(file), ...names };
  compileFunction(text, Object.keys(scope), { filename: file })(...Object.values(scope));
  return module.exports;
}

/** The code of a thread. `importScripts` would fetch the loader, which is put before it. */
function threadCode(loader: string, folder: string): string {
  const file = path.join(folder, `${NAME}.worker.js`);
  const { wasmWorkerContents } = evaluate(file, readFileSync(file, 'utf8')) as { wasmWorkerContents: string };
  // In tfjs's text line ends in strings have lost their backslash.
  const body = wasmWorkerContents.replaceAll('\n', '\\n');
  return `${loader}\nglobalThis.WasmBackendModuleThreadedSimd = WasmBackendModuleThreadedSimd;\n{${body}}\nglobalThis.importScripts = () => {};`;
}

/** A `process` whose handlers and exit the loader cannot touch. */
const isolatedProcess = {
  versions: process.versions,
  argv: process.argv,
  on: () => undefined,
  listeners: () => [],
  removeListener: () => undefined,
  exit: (code: number): never => {
    throw new Error(`the embedded kernels ended with ${code}`);
  },
};

/** Loads Emscripten's module with `threads` − 1 threads beside this one. */
async function loadModule(folder: string, threads: number, workers: Worker[]): Promise<EmscriptenModule> {
  const file = path.join(folder, `${NAME}.js`);
  // The loader starts as many threads as the kernels could ever use.
  const loader = readFileSync(file, 'utf8').replace('pthreadPoolSize=8', `pthreadPoolSize=${threads - 1}`);
  const code = threadCode(loader, folder);
  class Thread extends Worker {
    constructor() {
      super(code, { eval: true, execArgv: [] });
      workers.push(this);
    }
  }
  const require = createRequire(import.meta.url);
  const modules: Readonly<Record<string, unknown>> = {
    worker_threads: { Worker: Thread },
    // The kernels take half of the cores, for hyper-threads.
    os: { cpus: () => ({ length: 2 * threads }) },
  };
  const factory = evaluate(file, loader, {
    require: (name: string) => modules[name] ?? require(`node:${name}`),
    global: {},
    process: isolatedProcess,
    Worker: Thread,
  }) as Factory;
  return factory({ locateFile: (name) => path.join(folder, name), mainScriptUrlOrBlob: file });
}

/** The functions that tfjs's backend calls, as its own loader names them. */
function withBackendFunctions(module: EmscriptenModule): WasmModule {
  const nothing = null;
  const tfjs = {
    init: module.cwrap('init', nothing, []),
    initWithThreadsCount: module.cwrap('init_with_threads_count', nothing, ['number']),
    getThreadsCount: module.cwrap('get_threads_count', 'number', []),
    registerTensor: module.cwrap('register_tensor', nothing, ['number', 'number', 'number']),
    disposeData: module.cwrap('dispose_data', nothing, ['number']),
    dispose: module.cwrap('dispose', nothing, []),
  };
  return Object.assign(module, { tfjs }) as unknown as WasmModule;
}

export interface ThreadedModule {
  readonly module: WasmModule;
  /** Lets the process end while threads wait for work: call it when the backend has started them. */
  release(): void;
}

/** The threaded kernels of a folder, or undefined where they do not start. */
export async function loadThreadedModule(folder: string, threads: number): Promise<ThreadedModule | undefined> {
  if (threads < 2 || !existsSync(path.join(folder, `${NAME}.worker.js`))) return undefined;
  const workers: Worker[] = [];
  let timer: NodeJS.Timeout | undefined;
  try {
    const failed = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('threads did not start in time')), LOADING_TIME_LIMIT);
    });
    const module = await Promise.race([loadModule(folder, threads, workers), failed]);
    const release = () => {
      for (const worker of workers) worker.unref();
    };
    return { module: withBackendFunctions(module), release };
  } catch {
    await Promise.all(workers.map((worker) => worker.terminate()));
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
