/** Reads a checkpoint of any form: what is in it, then its tensors, all together or one by one. Nothing is executed. */

import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import type { DType, Tensor, Weights } from '../graph/tensor.ts';
import { floatsToFloat32, isFloat, precisionNotes } from './convert.ts';
import { detectFormat } from './detect.ts';
import { type ModuleTemplate, templateOf } from './modules/module-template.ts';
import { timmNames, timmShape } from './other-names.ts';
import { SafetensorsFile } from './safetensors/safetensors.ts';
import { SourceFile } from './source-file.ts';
import type { AttributeValue } from './torch/attributes.ts';
import type { ModuleRecord } from './torch/module-record.ts';
import { TensorRef } from './torch/pickle-values.ts';
import { stripPrefixes } from './torch/state-entries.ts';
import type { TorchFile } from './torch/torch-file.ts';
import { readTorchLegacy } from './torch/torch-legacy.ts';
import { TorchTensors } from './torch/torch-tensors.ts';
import { readTorchZip } from './torch/torch-zip.ts';
import { holdsAverage, unwrap, type WeightChoice } from './torch/unwrap.ts';

export type { AttributeValue } from './torch/attributes.ts';
export type { ModuleRecord } from './torch/module-record.ts';

/** Metadata of a file that Espalier wrote: the Graph, whose names its tensors have. */
export const GRAPH_KEY = 'espalier.graph';

type CheckpointFormat = 'safetensors' | 'torch-zip' | 'torch-legacy' | 'pickle';

export interface ReadOptions extends WeightChoice, RunContext {
  /** Give every floating-point tensor as float32; otherwise as stored. */
  readonly float32?: boolean;
  /** Give the tensors under the names in the file, whosever they are. */
  readonly namesAsStored?: boolean;
}

/** What a checkpoint holds, besides its tensors' elements. */
interface CheckpointSummary {
  readonly path: string;
  readonly format: CheckpointFormat;
  /** safetensors' `__metadata__`, and what writePth was given. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The network, where it was pickled whole. */
  readonly module?: ModuleRecord;
  /** What lay beside the weights: epoch, arguments, optimizer, … as JSON, large things only described. */
  readonly baggage: Readonly<Record<string, AttributeValue>>;
  /** Keys that led to the weights and prefixes taken off their names, e.g. `['model_ema', 'module.']`. */
  readonly sources: readonly string[];
  /** Whether the file holds a moving average of these weights beside them. */
  readonly hasAverage: boolean;
  /** Whose names the tensors have in the file, where they are given here under timm's. */
  readonly whoseNames?: string;
  /** What else was made of the tensors, for the person: parts put together, names left out, products taken. */
  readonly notes?: readonly string[];
}

export interface Checkpoint extends CheckpointSummary {
  readonly weights: Weights;
}

export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** An open checkpoint: its tensors are read when asked for, so that one can be streamed through little memory. */
export interface OpenCheckpoint extends CheckpointSummary {
  /** By state-dict name, in the file's order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  read(name: string): Promise<Tensor>;
  /** Several tensors in few reads; all by default. */
  readAll(names?: Iterable<string>, context?: RunContext): Promise<Weights>;
  /** Of a network that was pickled whole: its records, to write the same classes around other weights. */
  template?(weights: ReadonlySet<string>): Promise<ModuleTemplate | undefined>;
  close(): Promise<void>;
}

/**
 * Reads a `.safetensors`, `.pth`, `.pt`, `.th` or `.bin` file: a state dict, one in a training checkpoint, or a whole
 * pickled module. Memory is the size of the weights taken: optimizer state and the like are not read.
 * @throws UserError naming the file and the entry or tensor at fault
 */
export async function readCheckpoint(path: string, options: ReadOptions = {}): Promise<Checkpoint> {
  const { tensors: _, read: __, readAll, close, ...summary } = await openCheckpoint(path, options);
  try {
    return { ...summary, weights: await readAll(undefined, options) };
  } finally {
    await close();
  }
}

/** Opens a checkpoint without reading its tensors; the caller closes it. Errors are those of `readCheckpoint`. */
export async function openCheckpoint(path: string, options: ReadOptions = {}): Promise<OpenCheckpoint> {
  const file = await SourceFile.open(path, options.signal);
  try {
    const format = await detectFormat(file);
    if (format === 'safetensors') return await fromSafetensors(file, options);
    return await fromTorch(file, format === 'zip' ? await readTorchZip(file) : await readTorchLegacy(file), options);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Before the names of the moving average in the checkpoints of Espalier's own runs. */
const AVERAGE = /^ema\//;

/** The average's tensors under the weights' names, and what has no average (counters) as it is. */
function averagedNames(file: string, names: readonly string[]): Map<string, string> {
  const averages = names.filter((name) => AVERAGE.test(name));
  if (!averages.length) throw new UserError(`${file} holds no EMA weights.`);
  const entries = new Map(names.filter((name) => !AVERAGE.test(name)).map((name) => [name, name]));
  for (const name of averages) entries.set(name.replace(AVERAGE, ''), name);
  return entries;
}

async function fromSafetensors(file: SourceFile, options: ReadOptions): Promise<OpenCheckpoint> {
  if (options.key !== undefined) {
    throw new UserError(`${file.path} has no key '${options.key}': a safetensors file is one state dict.`);
  }
  const source = await SafetensorsFile.from(file);
  const names = [...source.header.tensors.keys()];
  const averaged = options.useEma ? averagedNames(file.path, names) : new Map(names.map((name) => [name, name]));
  // The names of a file that holds its own Graph are that Graph's.
  const isNamed = options.namesAsStored || GRAPH_KEY in source.header.metadata;
  const { entries: plain, stripped } = isNamed ? { entries: averaged, stripped: [] } : stripPrefixes(averaged);
  const { entries, whose } = isNamed ? { entries: plain, whose: undefined } : timmNames(plain);
  const tensors = new Map([...entries].map(([name, original]) => [name, source.header.tensors.get(original)!]));
  const summary: CheckpointSummary = {
    path: file.path,
    format: 'safetensors',
    metadata: source.header.metadata,
    baggage: {},
    sources: stripped,
    hasAverage: !options.useEma && names.some((name) => AVERAGE.test(name)),
    ...(whose && { whoseNames: whose }),
  };
  return opened(file, summary, tensors, options, async (wanted, context) => {
    const found = await source.readAll(
      wanted.map((name) => entries.get(name)!),
      context,
    );
    return new Map(wanted.map((name) => [name, found.get(entries.get(name)!)!]));
  });
}

async function fromTorch(file: SourceFile, torch: TorchFile, options: ReadOptions): Promise<OpenCheckpoint> {
  const { entries, module, baggage, sources, whoseNames, notes } = unwrap(file.budget, torch.root, {
    ...options,
    namesAsStored: options.namesAsStored || GRAPH_KEY in torch.metadata,
  });
  const stored = new Map([...entries].filter((entry): entry is [string, TensorRef] => entry[1] instanceof TensorRef));
  const lazy = new TorchTensors(file, torch, stored);
  await lazy.checkPlaces();
  const tensors = new Map(
    [...entries].map(([name, entry]): [string, TensorInfo] => [
      name,
      { dtype: entry instanceof TensorRef ? lazy.dtype(name) : entry.dtype, shape: entry.shape },
    ]),
  );
  const summary = {
    path: file.path,
    format: torch.format,
    metadata: torch.metadata,
    module,
    baggage,
    sources,
    hasAverage: holdsAverage({ baggage }),
    notes,
    ...(whoseNames && { whoseNames }),
  };
  const open = opened(file, summary, tensors, options, async (wanted, context) => {
    const found = await lazy.readAll(
      wanted.filter((name) => stored.has(name)),
      context,
    );
    return new Map(wanted.map((name) => [name, found.get(name) ?? (entries.get(name) as Tensor)]));
  });
  if (!module) return open;
  return { ...open, template: (weights) => templateOf({ file, torch, module, weights }) };
}

/** Adds reading, with its checks and conversions, to what a format found. */
function opened(
  file: SourceFile,
  summary: CheckpointSummary,
  stored: ReadonlyMap<string, TensorInfo>,
  { float32 }: ReadOptions,
  readSome: (names: readonly string[], context?: RunContext) => Promise<Map<string, Tensor>>,
): OpenCheckpoint {
  const tensors = shaped(summary, stored);
  const readAll = async (names: Iterable<string> = tensors.keys(), context?: RunContext): Promise<Weights> => {
    const wanted = [...names];
    const missing = wanted.find((name) => !tensors.has(name));
    if (missing !== undefined) throw new UserError(`${file.path} holds no tensor '${missing}'.`);
    const weights = shaped(summary, await readSome(wanted, context));
    return float32 ? floatsToFloat32(weights) : weights;
  };
  return {
    ...summary,
    notes: [
      ...(summary.notes ?? []),
      ...(float32 ? precisionNotes([...stored.values()].map(({ dtype }) => dtype)) : []),
    ],
    tensors: float32 ? new Map([...tensors].map(([name, info]) => [name, asFloat32(info)])) : tensors,
    read: async (name) => (await readAll([name])).get(name)!,
    readAll,
    close: () => file.close(),
  };
}

/** The same with timm's shapes, where the tensors had other names. */
function shaped<T extends { readonly shape: readonly number[] }>(
  { whoseNames }: CheckpointSummary,
  tensors: ReadonlyMap<string, T>,
): ReadonlyMap<string, T> {
  if (whoseNames === undefined) return tensors;
  return new Map(
    [...tensors].map(([name, tensor]) => [name, { ...tensor, shape: timmShape(whoseNames, name, tensor.shape) }]),
  );
}

function asFloat32({ dtype, shape }: TensorInfo): TensorInfo {
  return { dtype: isFloat(dtype) ? 'float32' : dtype, shape };
}
