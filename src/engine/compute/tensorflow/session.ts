/** A SavedModel that runs in TensorFlow: its signatures are functions from named tensors to named tensors, its variables live here. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type DataOf, elementCount, type Tensor } from '../../graph/tensor.ts';
import type { FeedArray, FetchArray, TensorFlowBinding } from '../runtime/binding.ts';
import {
  DATA_TYPE,
  SAVED_MODEL_TAG,
  type SavedModel,
  type SignatureDef,
  type TensorInfo,
  writeSavedModel,
} from './saved-model.ts';

/** What the binding can feed. */
type FeedType = 'float32' | 'int32' | 'int64' | 'bool' | 'uint8';
/** What the binding can fetch. */
type FetchType = 'float32' | 'int32' | 'int64' | 'bool';

/** A value for a signature's input. `data` is not copied where TensorFlow can use it as it lies, and never written to. */
export type Feed = Tensor<FeedType>;
/** A signature's output; `data` belongs to the caller. */
export type Fetched = Tensor<FetchType>;

/** A run that TensorFlow refused, with its message. */
export class TensorFlowError extends Error {
  override readonly name = 'TensorFlowError';
}

const FEED_ARRAYS: { readonly [D in FeedType]: { readonly type: new (...args: never[]) => DataOf[D] } } = {
  float32: { type: Float32Array },
  int32: { type: Int32Array },
  int64: { type: BigInt64Array },
  bool: { type: Uint8Array },
  uint8: { type: Uint8Array },
};

const FETCH_TYPES: ReadonlyMap<number, FetchType> = new Map(
  (['float32', 'int32', 'int64', 'bool'] as const).map((dtype) => [DATA_TYPE[dtype], dtype]),
);

/** A signature as the binding takes it. */
interface EntryPoint {
  readonly inputs: readonly (readonly [key: string, info: TensorInfo])[];
  readonly outputs: readonly string[];
  readonly inputNames: string;
  readonly outputNames: string;
}

export class TensorFlowSession {
  private readonly entryPoints = new Map<string, EntryPoint>();
  private readonly id: number;
  private disposed = false;

  /**
   * Loads `model` into a session of its own. Throws a TensorFlowError where TensorFlow does not accept the graph.
   * Each session has a fresh folder for its file, gone again once TensorFlow has read it.
   */
  constructor(
    private readonly binding: TensorFlowBinding,
    model: SavedModel,
  ) {
    for (const [name, signature] of Object.entries(model.signatures)) {
      this.entryPoints.set(name, entryPoint(name, signature));
    }
    const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-graph-'));
    try {
      writeSavedModel(folder, model);
      this.id = reporting('The graph could not be loaded', () => binding.loadSavedModel(folder, SAVED_MODEL_TAG));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** The names of the signatures. */
  get signatures(): string[] {
    return [...this.entryPoints.keys()];
  }

  /**
   * Runs a signature, synchronously. Every input must be there, of the declared type and (where declared) size.
   * Throws an Error for wrong inputs, before TensorFlow sees them, and a TensorFlowError for what fails inside; the session goes on.
   */
  run(signature: string, inputs: Readonly<Record<string, Feed>> = {}): Record<string, Fetched> {
    if (this.disposed) throw new Error(`Signature ${signature} was run after the session was disposed.`);
    const entry = this.entryPoints.get(signature);
    if (!entry) throw new Error(`The graph has no signature ${signature}, only ${this.signatures.join(', ')}.`);
    checkInputs(signature, entry, inputs);
    const { binding } = this;
    const ids: number[] = [];
    try {
      for (const [key] of entry.inputs) {
        const { shape, dtype, data } = inputs[key];
        ids.push(binding.createTensor(shape, DATA_TYPE[dtype], feedArray(data)));
      }
      const results = reporting(`Signature ${signature} failed`, () =>
        binding.runSavedModel(this.id, ids, entry.inputNames, entry.outputNames),
      );
      ids.push(...results.map((result) => result.id));
      const fetched: Record<string, Fetched> = {};
      results.forEach(({ id, shape, dtype }, index) => {
        fetched[entry.outputs[index]] = fetchedTensor(binding.tensorDataSync(id), shape, dtype);
      });
      return fetched;
    } finally {
      for (const id of ids) binding.deleteTensor(id);
    }
  }

  /** Ends the session and frees its variables. Doing it again does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.binding.deleteSavedModel(this.id);
  }
}

function reporting<R>(what: string, call: () => R): R {
  try {
    return call();
  } catch (error) {
    throw new TensorFlowError(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function entryPoint(name: string, signature: SignatureDef): EntryPoint {
  const inputs = Object.entries(signature.inputs);
  const outputs = Object.entries(signature.outputs);
  for (const [key, info] of inputs) {
    if (!(info.dtype in FEED_ARRAYS)) throw new Error(`Signature ${name}: ${info.dtype} input ${key} cannot be fed.`);
  }
  for (const [key, info] of outputs) {
    if (!FETCH_TYPES.has(DATA_TYPE[info.dtype])) {
      throw new Error(`Signature ${name}: ${info.dtype} output ${key} cannot be fetched.`);
    }
  }
  return {
    inputs,
    outputs: outputs.map(([key]) => key),
    inputNames: inputs.map(([, info]) => info.name).join(','),
    outputNames: outputs.map(([, info]) => info.name).join(','),
  };
}

/** A run that fails inside TensorFlow leaks the memory of its inputs, so what can be known before is checked before. */
function checkInputs(signature: string, entry: EntryPoint, inputs: Readonly<Record<string, Feed>>): void {
  const wrong = (key: string, what: string): never => {
    throw new Error(`Signature ${signature}, input ${key}: ${what}.`);
  };
  for (const [key, info] of entry.inputs) {
    const feed = Object.hasOwn(inputs, key) ? inputs[key] : wrong(key, 'is missing');
    if (feed.dtype !== info.dtype) wrong(key, `is ${feed.dtype}, must be ${info.dtype}`);
    if (!(feed.data instanceof FEED_ARRAYS[feed.dtype].type)) wrong(key, `has no ${feed.dtype} data`);
    if (feed.data.length !== elementCount(feed.shape)) {
      wrong(key, `has ${feed.data.length} values, but its shape is [${feed.shape}]`);
    }
    if (!fits(feed.shape, info.shape)) wrong(key, `has shape [${feed.shape}], must be [${info.shape}] (-1: any)`);
  }
  const known = new Set(entry.inputs.map(([key]) => key));
  for (const key of Object.keys(inputs)) if (!known.has(key)) wrong(key, 'is not one of its inputs');
}

function fits(shape: readonly number[], declared: TensorInfo['shape']): boolean {
  if (!declared) return true;
  return shape.length === declared.length && declared.every((size, axis) => size === -1 || size === shape[axis]);
}

/** The array as the binding wants it; int64 goes in as pairs of int32 words over the same memory. */
function feedArray(data: DataOf[FeedType]): FeedArray {
  if (!(data instanceof BigInt64Array)) return data;
  return new Int32Array(data.buffer, data.byteOffset, data.length * 2);
}

function fetchedTensor(data: FetchArray, shape: readonly number[], dtype: number): Fetched {
  const type = FETCH_TYPES.get(dtype);
  if (!type) throw new Error(`TensorFlow returned data of type ${dtype}, which cannot be fetched.`);
  return { dtype: type, shape, data };
}
