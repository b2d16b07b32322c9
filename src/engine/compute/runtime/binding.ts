/**
 * The native binding of `@tensorflow/tfjs-node-gpu` (N-API 8), loaded by itself: none of that package's JavaScript runs.
 * It serves CPUs and GPUs alike; what differs is the TensorFlow library beside it.
 */

import { existsSync } from 'node:fs';
import os from 'node:os';
import { UserError } from '../../../common/errors.ts';
import { hasGpuDriver } from './gpu.ts';
import { type FoundRuntime, findRuntime, runtimeFiles } from './locate.ts';
import { applySettings, type TensorFlowSettings } from './runtime-settings.ts';

/** Arrays that the binding takes: int64 as pairs of int32 words, bool as bytes. */
export type FeedArray = Float32Array | Int32Array | Uint8Array;

/** Arrays that the binding returns: fresh copies, owned by the caller. */
export type FetchArray = Float32Array | Int32Array | BigInt64Array | Uint8Array;

interface TensorMetadata {
  readonly id: number;
  readonly shape: number[];
  /** A DataType number of TensorFlow. */
  readonly dtype: number;
}

/** What the binding exports and this project uses (`dist/tfjs_binding.d.ts` of its package). All of it is synchronous. */
export interface TensorFlowBinding {
  readonly TF_Version: string;
  /** The tensor may keep using `data` until it is deleted. */
  createTensor(shape: readonly number[], dtype: number, data: FeedArray): number;
  deleteTensor(id: number): void;
  /** Copies. Knows float32, int32, int64 and bool. */
  tensorDataSync(id: number): FetchArray;
  /** Starts a session of its own. Throws with TensorFlow's message. */
  loadSavedModel(folder: string, tags: string): number;
  deleteSavedModel(id: number): void;
  /** Names are `node:index`, joined by commas. A run that fails keeps its inputs' memory for ever: check them first. */
  runSavedModel(id: number, inputIds: readonly number[], inputNames: string, outputNames: string): TensorMetadata[];
  isUsingGpuDevice(): boolean;
  getNumOfSavedModels(): number;
  getNumOfTensors(): number;
}

const loaded = new Map<string, TensorFlowBinding>();

/** The runtime that `loadTensorFlow` would use, if one is installed with its binding. Loads nothing. */
export function installedRuntime(): FoundRuntime | undefined {
  const found = findRuntime(hasGpuDriver());
  return found && existsSync(runtimeFiles(found.folder).binding) ? found : undefined;
}

/**
 * TensorFlow in this process; the library is loaded once (about half a second). Settings only count before that.
 * Throws a UserError where no runtime is installed or it cannot be loaded.
 */
export function loadTensorFlow(settings: TensorFlowSettings = {}, runtime = installedRuntime()): TensorFlowBinding {
  if (!runtime) {
    throw new UserError('The TensorFlow runtime is not installed. Install it with "espalier runtime install".');
  }
  const { binding: file, quiet } = runtimeFiles(runtime.folder);
  const known = loaded.get(file);
  if (known) return known;
  applySettings(settings, runtime);
  keepQuiet(quiet);
  const binding = openBinding(file);
  loaded.set(file, binding);
  return binding;
}

/** Its symbols must be global: TensorFlow's logging asks the first one of a name. Without it there are two lines more on stderr. */
function keepQuiet(file: string): void {
  if (process.platform !== 'linux' || !existsSync(file)) return;
  process.dlopen({ exports: {} }, file, os.constants.dlopen.RTLD_NOW | os.constants.dlopen.RTLD_GLOBAL);
}

function openBinding(file: string): TensorFlowBinding {
  const module: { exports: Partial<TensorFlowBinding> } = { exports: {} };
  try {
    process.dlopen(module, file, os.constants.dlopen.RTLD_NOW);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `TensorFlow's library could not be loaded: ${reason.trim()}. Install it again with "espalier runtime install --force".`,
    );
  }
  const { exports } = module;
  if (typeof exports.runSavedModel !== 'function') {
    throw new UserError(
      `${file} is not TensorFlow's binding. Install it again with "espalier runtime install --force".`,
    );
  }
  return exports as TensorFlowBinding;
}
