/**
 * tfjs's WebAssembly kernels on shared memory, so that threads of ours can work on it. tfjs has a build for that, for browsers: its loader
 * starts threads of its own in ways that Node does not know. It is run here with none, and without its hands on the process.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { compileFunction } from 'node:vm';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

type WasmModule = BackendWasm['wasm'];

/** What Emscripten's module has beside its functions. */
interface EmscriptenModule {
  cwrap(name: string, result: string | null, parameters: readonly string[]): unknown;
}

type Factory = (options: { locateFile(name: string): string }) => Promise<EmscriptenModule>;

const LOADER = 'tfjs-backend-wasm-threaded-simd.js';
/** More are seldom faster: what is not shared out takes its time. */
const MOST_THREADS = 8;

export const defaultThreads = (): number => Math.min(os.availableParallelism(), MOST_THREADS);

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

/** Changes to the loader's text: no threads of its own, and so none to wait for. */
const PATCHES = [
  ['pthreadPoolSize=8', 'pthreadPoolSize=0'],
  [
    'PThread.unusedWorkers.forEach(function(w){',
    'if(!numWorkersToLoad)removeRunDependency("wasm-instantiate");PThread.unusedWorkers.forEach(function(w){',
  ],
] as const;

/** The loader, made from its CommonJS text; it thinks that there is one core (it takes half of them). Undefined for another version's. */
function makeFactory(file: string): Factory | undefined {
  let text = readFileSync(file, 'utf8');
  for (const [from, to] of PATCHES) {
    if (!text.includes(from)) return undefined;
    text = text.replace(from, to);
  }
  const module = { exports: {} as unknown };
  const require = createRequire(import.meta.url);
  const scope = {
    module,
    exports: module.exports,
    __filename: file,
    __dirname: path.dirname(file),
    require: (name: string) => (name === 'os' ? { cpus: () => ({ length: 2 }) } : require(`node:${name}`)),
    global: {},
    process: isolatedProcess,
  };
  compileFunction(text, Object.keys(scope), { filename: file })(...Object.values(scope));
  return module.exports as Factory;
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

/** The kernels of a folder on shared memory, or undefined where they are not there or do not start. */
export async function loadSharedModule(folder: string): Promise<WasmModule | undefined> {
  const file = path.join(folder, LOADER);
  if (!existsSync(file)) return undefined;
  try {
    const factory = makeFactory(file);
    if (!factory) return undefined;
    return withBackendFunctions(await factory({ locateFile: (name) => path.join(folder, name) }));
  } catch {
    return undefined;
  }
}
