/** What the zip and the legacy form of PyTorch's files have in common: one pickle, and storages that it refers to. */

import { Budget } from '../../../common/budget.ts';
import { UserError } from '../../../common/errors.ts';
import type { SourceFile } from '../source-file.ts';
import { type PickleResult, readPickle } from './pickle.ts';
import type { PickleOptions } from './pickle-machine.ts';
import { PickleError, PickleGlobal, type PickleValue, StorageRef } from './pickle-values.ts';

/** Where a storage's bytes are: in the file as they are, or somewhere to be unpacked from. */
export type StoragePlace =
  | { readonly kind: 'file'; readonly offset: number; readonly length: number }
  | { readonly kind: 'packed'; readonly length: number; unpack(): Promise<Uint8Array> };

export interface TorchFile {
  readonly format: 'torch-zip' | 'torch-legacy' | 'pickle';
  /** What was saved, as data. */
  readonly root: PickleValue;
  /** Text that Espalier saved along with it. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly bigEndian: boolean;
  /** What was saved, once more and with all that is needed to write it again. */
  readonly readAsWritten?: () => PickleValue;
  /** @throws UserError if the file has no such storage */
  locate(storage: StorageRef): Promise<StoragePlace>;
}

/** A pickle's size is bounded by what a checkpoint needs; arrays pickled inside of it are the largest part. */
export const MAX_PICKLE_BYTES = 1 << 30;

/** As `readPickle`, with errors that name the file. A pickle that is cut off is passed on as a PickleError if asked. */
export function readFilePickle(
  where: string,
  bytes: Uint8Array,
  start = 0,
  options: PickleOptions & { passTruncated?: boolean } = {},
): PickleResult {
  try {
    return readPickle(bytes, start, options);
  } catch (error) {
    if (!(error instanceof PickleError) || (error.truncated && options.passTruncated)) throw error;
    throw new UserError(`Cannot read ${where}: ${error.message} (byte ${error.offset} of the pickle).`, {
      cause: error,
    });
  }
}

/** A pickle of `file` from byte `start`, with all that is needed to write it again. It has a budget of its own. */
export const readAgain = (file: SourceFile, bytes: Uint8Array, start = 0): PickleValue =>
  readFilePickle(file.path, bytes, start, {
    persistent: new PersistentStorages().resolve,
    budget: new Budget(file.path, file.size),
    asWritten: true,
  }).value;

/**
 * What PyTorch's persistent ids stand for: `('storage', class, key, location, elements[, view])`, and in old files
 * `('module', class, source file, source)`, which is the class. The same storage is one value wherever it is referred to.
 */
export class PersistentStorages {
  private readonly storages = new Map<string, StorageRef>();
  /** Storage classes by key: the legacy form needs all of them to find one. */
  readonly classes = new Map<string, string>();

  readonly resolve = (id: PickleValue): PickleValue => {
    if (!Array.isArray(id)) throw new Error('a reference outside of the pickle that is not a tuple');
    if (id[0] === 'module' && id[1] instanceof PickleGlobal) return id[1];
    const storage = storageOf(id);
    this.classes.set(storage.key, storage.type);
    const name = `${storage.type} ${storage.offset} ${storage.elements} ${storage.key}`;
    const known = this.storages.get(name);
    if (!known) this.storages.set(name, storage);
    return known ?? storage;
  };
}

function storageOf([kind, type, key, , elements, view]: PickleValue[]): StorageRef {
  if (kind !== 'storage' || !(type instanceof PickleGlobal)) throw new Error('a reference that is not to a storage');
  if (typeof key !== 'string' && typeof key !== 'number') throw new Error('a storage without a key');
  if (!isNatural(elements)) throw new Error(`storage '${key}' with a size that is not a whole number`);
  const storageClass = type.qualifiedName.slice(type.qualifiedName.lastIndexOf('.') + 1);
  // Files of PyTorch before 0.4: (key of the view, first element, elements).
  if (Array.isArray(view)) {
    const [, offset, length] = view;
    if (!isNatural(offset) || !isNatural(length)) throw new Error(`storage '${key}' with a damaged view`);
    return new StorageRef(storageClass, String(key), length, offset);
  }
  return new StorageRef(storageClass, String(key), elements);
}

function isNatural(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
