/** ONNX Runtime as this platform has it: its native library, or where there is none its WebAssembly build; both run the same models. */
import os from 'node:os';
import type * as Ort from 'onnxruntime-common';

type OrtModule = Pick<typeof Ort, 'InferenceSession' | 'Tensor' | 'env'>;
export type OrtSession = Ort.InferenceSession;

export interface OnnxRuntime {
  readonly ort: OrtModule;
  /** `1.30` */
  readonly version: string;
  readonly kind: 'native' | 'wasm';
  /** Names of the execution providers that this build has. */
  readonly providers: readonly string[];
  readonly threads: number;
}

/** Set to `wasm`, the WebAssembly build is taken although there is a native library: for tests. */
const FORCE = 'ESPALIER_ONNXRUNTIME';

const short = (version: string | undefined): string => (version ?? '').split('.').slice(0, 2).join('.');

async function loadNative(threads: number): Promise<OnnxRuntime | undefined> {
  let native: typeof import('onnxruntime-node');
  try {
    native = await import('onnxruntime-node');
  } catch {
    // No library for this platform in the package, or one that this system cannot load (musl): WebAssembly computes.
    return undefined;
  }
  const providers = native.listSupportedBackends().map(({ name }) => name);
  return { ort: native, version: short(native.env.versions.node), kind: 'native', providers, threads };
}

async function loadWasm(threads: number): Promise<OnnxRuntime> {
  const web = (await import('onnxruntime-web')) as unknown as OrtModule;
  web.env.wasm.numThreads = threads;
  return { ort: web, version: short(web.env.versions.web), kind: 'wasm', providers: ['wasm'], threads };
}

/** @param threads of the arithmetic; all cores by default */
export async function loadOnnxRuntime(threads = os.availableParallelism()): Promise<OnnxRuntime> {
  const native = process.env[FORCE] === 'wasm' ? undefined : await loadNative(threads);
  return native ?? loadWasm(threads);
}
