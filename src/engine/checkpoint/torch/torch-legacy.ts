/**
 * PyTorch's files before 1.6 (`torch.save(…, _use_new_zipfile_serialization=False)`): pickles of a magic number, the
 * protocol, system information, the object and the storages' keys; then each storage as its number of elements and its
 * bytes, little-endian. A file that is one plain pickle is read here too: it can hold NumPy arrays.
 */

import { UserError } from '../../../common/errors.ts';
import type { SourceFile } from '../source-file.ts';
import { describe } from './attributes.ts';
import { PickleError, type PickleValue } from './pickle-values.ts';
import {
  MAX_PICKLE_BYTES,
  PersistentStorages,
  readAgain,
  readFilePickle,
  type StoragePlace,
  type TorchFile,
} from './torch-file.ts';
import { storageElementSize } from './torch-types.ts';

const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const PROTOCOL_VERSION = 1001;
const COUNT_BYTES = 8;

/** Pickles are read from the file's first bytes; if those do not suffice, from this many times as many. */
const FIRST_BYTES = 1 << 20;
const GROWTH = 8;

/** @throws UserError if the file is damaged or not a pickle */
export async function readTorchLegacy(file: SourceFile): Promise<TorchFile> {
  const limit = Math.min(file.size, MAX_PICKLE_BYTES);
  for (let length = Math.min(FIRST_BYTES, limit); ; length = Math.min(length * GROWTH, limit)) {
    const bytes = await file.read(0, length);
    try {
      return readPickles(file, bytes);
    } catch (error) {
      if (!(error instanceof PickleError)) throw error;
      if (length < limit) continue;
      throw new UserError(
        `Cannot read ${file.path}: ${error.message} (at byte ${error.offset}); the file is incomplete.`,
      );
    }
  }
}

function readPickles(file: SourceFile, bytes: Uint8Array): TorchFile {
  let position = 0;
  const storages = new PersistentStorages();
  const next = (): PickleValue => {
    const { value, end } = readFilePickle(file.path, bytes, position, {
      persistent: storages.resolve,
      passTruncated: true,
      budget: file.budget,
    });
    position = end;
    return value;
  };
  const first = next();
  if (first !== MAGIC_NUMBER) return plainPickle(file, first);
  const protocol = next();
  if (protocol !== PROTOCOL_VERSION) {
    throw new UserError(
      `Cannot read ${file.path}: its legacy protocol is ${describeScalar(protocol)}, not ${PROTOCOL_VERSION}.`,
    );
  }
  next(); // System information: sizes of C types and a byte order, but storages are always little-endian.
  const rootAt = position;
  const root = next();
  const keys = next();
  if (!Array.isArray(keys) || !keys.every(isKey))
    throw new UserError(`Cannot read ${file.path}: its list of storages is damaged.`);
  const places = new Map<string, StoragePlace>();
  return {
    format: 'torch-legacy',
    root,
    readAsWritten: () => readAgain(file, bytes, rootAt),
    metadata: {},
    bigEndian: false,
    locate: async ({ key }) => {
      if (places.size === 0) locateStorages(file, keys.map(String), storages.classes, position, places);
      const place = places.get(key);
      if (!place)
        throw new UserError(`${file.path} is damaged: its pickle refers to storage '${key}', and there is none.`);
      return place;
    },
  };
}

const isKey = (key: PickleValue): key is string | number => typeof key === 'string' || typeof key === 'number';

const describeScalar = (value: PickleValue): string => (typeof value === 'object' ? describe(value) : String(value));

/**
 * Storages follow one another without an index: where one starts is known once the element sizes of all before it are,
 * and those are in the pickle.
 */
function locateStorages(
  file: SourceFile,
  keys: readonly string[],
  classes: ReadonlyMap<string, string>,
  start: number,
  places: Map<string, StoragePlace>,
): void {
  let position = start;
  const count = new Uint8Array(COUNT_BYTES);
  for (const key of keys) {
    const elementSize = storageElementSize(classes.get(key) ?? '');
    if (!elementSize) {
      throw new UserError(
        `Cannot read ${file.path}: storage '${key}' has an unknown type (${classes.get(key) ?? 'none'}).`,
      );
    }
    file.readNow(count, position);
    position += COUNT_BYTES;
    const length = Number(new DataView(count.buffer).getBigUint64(0, true)) * elementSize;
    if (length > file.size - position) {
      throw new UserError(
        `${file.path} is cut off or damaged: storage '${key}' has ${length} bytes, and ${file.size - position} are left.`,
      );
    }
    places.set(key, { kind: 'file', offset: position, length });
    position += length;
  }
}

function plainPickle(file: SourceFile, root: PickleValue): TorchFile {
  return {
    format: 'pickle',
    root,
    metadata: {},
    bigEndian: false,
    locate: () => {
      throw new UserError(`${file.path} is a plain pickle and holds no storages.`);
    },
  };
}
