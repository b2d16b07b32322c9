/**
 * The records of a network that was pickled whole, kept as text beside what is made of it: classes, attributes and the tensors
 * that are no weights. With them the same classes are written again around other weights; nothing is imported or executed.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Budget } from '../../../common/budget.ts';
import { UserError } from '../../../common/errors.ts';
import type { SourceFile } from '../source-file.ts';
import { type ModuleRecord, walkModule } from '../torch/module-record.ts';
import { readPickle } from '../torch/pickle.ts';
import { PickleError, PickleObject, type PickleValue, type StorageRef } from '../torch/pickle-values.ts';
import { UnwritableError, writePickle } from '../torch/pickle-write.ts';
import type { StateEntries } from '../torch/state-entries.ts';
import { PersistentStorages, type TorchFile } from '../torch/torch-file.ts';
import { storageElementSize } from '../torch/torch-types.ts';
import { modulesOf, RecordPaths } from './record-paths.ts';
import { dictOf, isWrittenModule, reachable, storagesIn, WrittenModule, writtenModules } from './written-module.ts';

/** Deflated, in base64. */
export interface ModuleTemplate {
  readonly pickle: string;
  /** Storages of tensors that are no weights (tables of positions, masks), by key. */
  readonly storages: Readonly<Record<string, string>>;
}

/** What a template unfolds to. */
export interface UnfoldedTemplate {
  /** To be changed and written. */
  readonly written: PickleObject;
  /** The same with what it says of its layers: read as any pickled module is. */
  readonly plain: PickleObject;
  readonly storages: ReadonlyMap<string, Uint8Array>;
}

/** Classes and attributes of the largest networks take a few hundred kilobytes. */
const MAX_PICKLE = 32 << 20;
const MAX_STORAGES = 16 << 20;
/** Dictionaries and wrapping modules around the network. */
const MAX_WRAPPERS = 6;

export const foldedTemplate = (
  root: PickleObject,
  storages: ReadonlyMap<string, Uint8Array> = new Map(),
): ModuleTemplate => {
  const fold = (bytes: Uint8Array): string => deflateRawSync(bytes, { level: 9 }).toString('base64');
  return {
    pickle: fold(writePickle(root)),
    storages: Object.fromEntries([...storages].map(([key, bytes]) => [key, fold(bytes)])),
  };
};

function unfold(text: string, most: number, what: string): Buffer {
  try {
    return inflateRawSync(Buffer.from(text, 'base64'), { maxOutputLength: most });
  } catch (error) {
    throw new UserError(`${what}: the recorded classes of the network cannot be used (${(error as Error).message})`);
  }
}

/** @throws UserError where it is damaged */
export function unfoldedTemplate({ pickle, storages }: ModuleTemplate, name: string): UnfoldedTemplate {
  const bytes = unfold(pickle, MAX_PICKLE, name);
  const read = (asWritten: boolean): PickleObject => {
    const budget = new Budget(name, bytes.length);
    const persistent = new PersistentStorages().resolve;
    try {
      const { value } = readPickle(bytes, 0, { persistent, budget, asWritten });
      if (value instanceof PickleObject && isWrittenModule(value)) return value;
    } catch (error) {
      if (!(error instanceof PickleError)) throw error;
    }
    throw new UserError(`${name}: the recorded classes of the network are damaged: prune the module itself again`);
  };
  return {
    written: read(true),
    plain: read(false),
    storages: new Map(Object.entries(storages).map(([key, text]) => [key, unfold(text, MAX_STORAGES, name)])),
  };
}

/** The record of an unfolded template, and its tensors. */
export const recordOf = (plain: PickleObject, name: string): { module: ModuleRecord; entries: StateEntries } =>
  walkModule(plain, new Budget(name, MAX_PICKLE));

interface Source {
  readonly file: SourceFile;
  readonly torch: TorchFile;
  readonly module: ModuleRecord;
  /** The tensors that are weights, by the Graph's names. */
  readonly weights: ReadonlySet<string>;
}

/** Why records cannot be kept; a stack that overflows is a RangeError. */
const UNKEPT = [UserError, PickleError, UnwritableError, RangeError];

/** Undefined where the records cannot be kept: too large, of a machine with another byte order, or nested without end. */
export async function templateOf(source: Source): Promise<ModuleTemplate | undefined> {
  const { file, torch, module, weights } = source;
  if (!torch.readAsWritten || torch.bigEndian) return undefined;
  try {
    const written = findWritten(torch.readAsWritten(), module);
    if (!written) return undefined;
    const storages = await otherStorages(file, torch, storagesBeside(written, module, weights));
    return storages && foldedTemplate(written, storages);
  } catch (error) {
    // The network itself was read: only writing it again as these classes is not possible.
    if (UNKEPT.some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

const parametersOf = (module: WrittenModule): string[] =>
  [...module.dict('_parameters')].flatMap(([name, value]) => (value === null ? [] : [String(name)]));

/** Whether a module has the record's modules and parameters, in this order; looked at no further than they agree. */
function fits(object: PickleObject, record: ModuleRecord): boolean {
  const wanted = modulesOf(record);
  for (const module of writtenModules(new WrittenModule(object))) {
    const { value: layer, done } = wanted.next();
    if (done || layer.path !== module.path || layer.parameters.join() !== parametersOf(module).join()) return false;
  }
  return wanted.next().done === true;
}

/** The module that the record was made of. */
function findWritten(root: PickleValue, record: ModuleRecord): PickleObject | undefined {
  const seen = new Set<PickleValue>();
  const open: [PickleValue, number][] = [[root, 0]];
  for (let next = open.shift(); next; next = open.shift()) {
    const [value, depth] = next;
    if (depth > MAX_WRAPPERS || seen.has(value)) continue;
    seen.add(value);
    if (isWrittenModule(value) && fits(value, record)) return value;
    const inside = isWrittenModule(value) ? new WrittenModule(value).dict('_modules') : dictOf(value);
    for (const item of inside?.values() ?? []) open.push([item, depth + 1]);
  }
  return undefined;
}

/** Storages that hold anything but weights. */
function storagesBeside(root: PickleObject, record: ModuleRecord, weights: ReadonlySet<string>): StorageRef[] {
  const paths = new RecordPaths(record);
  const byPath = new Map([...modulesOf(record)].map((module) => [module.path, module]));
  const taken = new Set<PickleValue>();
  for (const module of writtenModules(new WrittenModule(root))) {
    const layer = byPath.get(module.path);
    const names = layer && new Map([...layer.parameters, ...layer.buffers].map((n, i) => [n, paths.tensors(layer)[i]]));
    for (const { name, value } of module.tensors) if (weights.has(names?.get(name) ?? '')) taken.add(value);
  }
  return storagesIn(reachable(root, taken));
}

async function otherStorages(
  file: SourceFile,
  torch: TorchFile,
  storages: readonly StorageRef[],
): Promise<Map<string, Uint8Array> | undefined> {
  const found = new Map<string, Uint8Array>();
  let total = 0;
  for (const storage of storages) {
    const length = storage.elements * (storageElementSize(storage.type) ?? Number.NaN);
    total += length;
    if (!(total <= MAX_STORAGES) || storage.offset) return undefined;
    const place = await torch.locate(storage);
    if (place.length < length) return undefined;
    const bytes = place.kind === 'file' ? await file.read(place.offset, length) : await place.unpack();
    found.set(storage.key, bytes.subarray(0, length));
  }
  return found;
}
