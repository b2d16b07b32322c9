/** PyTorch's files since 1.6: a zip archive of `data.pkl`, `data/<key>` for every storage, `version`, `byteorder`. */

import { UserError } from '../../../common/errors.ts';
import type { SourceFile } from '../source-file.ts';
import { ZipArchive } from '../zip.ts';
import {
  MAX_PICKLE_BYTES,
  PersistentStorages,
  readAgain,
  readFilePickle,
  type StoragePlace,
  type TorchFile,
} from './torch-file.ts';

/** Where writePth keeps its metadata; PyTorch ignores records that it does not know. */
export const METADATA_RECORD = 'extra/espalier.json';
const MAX_METADATA_BYTES = 256 << 20;

/** @throws UserError if the archive is damaged or not PyTorch's */
export async function readTorchZip(file: SourceFile): Promise<TorchFile> {
  const archive = await ZipArchive.open(file);
  const folder = folderOf(file, archive);
  const pickle = `${folder}data.pkl`;
  if (archive.sizeOf(pickle) > MAX_PICKLE_BYTES) {
    throw new UserError(`Cannot read ${file.path}: its data.pkl has ${archive.sizeOf(pickle)} bytes.`);
  }
  const bytes = await archive.read(pickle);
  return {
    format: 'torch-zip',
    root: readFilePickle(`${file.path} (data.pkl)`, bytes, 0, {
      persistent: new PersistentStorages().resolve,
      budget: file.budget,
    }).value,
    readAsWritten: () => readAgain(file, bytes),
    metadata: await readMetadata(file, archive, `${folder}${METADATA_RECORD}`),
    bigEndian: await isBigEndian(file, archive, `${folder}byteorder`),
    locate: ({ key }) => locate(file, archive, `${folder}data/${key}`, key),
  };
}

/** The folder of the archive that holds everything, with its slash. */
function folderOf(file: SourceFile, archive: ZipArchive): string {
  const folders = [...archive.entries.keys()].flatMap((name) => /^([^/]*\/)?data\.pkl$/.exec(name)?.[1] ?? []);
  if (folders.length !== 1) {
    throw new UserError(
      `${file.path} is a zip file, but not a PyTorch checkpoint: it has ${folders.length || 'no'} data.pkl entries.`,
    );
  }
  if (archive.entries.has(`${folders[0]}constants.pkl`)) {
    throw new UserError(
      `${file.path} is a TorchScript archive: it holds a compiled program. Save the model's state_dict() with torch.save instead.`,
    );
  }
  return folders[0];
}

async function isBigEndian(file: SourceFile, archive: ZipArchive, name: string): Promise<boolean> {
  if (!archive.entries.has(name) || archive.sizeOf(name) > 16) return false;
  const order = Buffer.from(await archive.read(name))
    .toString('latin1')
    .trim();
  if (order !== 'little' && order !== 'big') {
    throw new UserError(`Cannot read ${file.path}: its byte order '${order}' is neither little nor big.`);
  }
  return order === 'big';
}

async function readMetadata(file: SourceFile, archive: ZipArchive, name: string): Promise<Record<string, string>> {
  if (!archive.entries.has(name)) return {};
  if (archive.sizeOf(name) <= MAX_METADATA_BYTES) {
    try {
      const json: unknown = JSON.parse(Buffer.from(await archive.read(name)).toString('utf8'));
      const entries = Object.entries(json as object).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      );
      return Object.fromEntries(entries);
    } catch (error) {
      if (error instanceof UserError) throw error;
    }
  }
  throw new UserError(`Cannot read ${file.path}: its record '${name}' is damaged.`);
}

async function locate(file: SourceFile, archive: ZipArchive, name: string, key: string): Promise<StoragePlace> {
  if (!archive.entries.has(name)) {
    throw new UserError(
      `${file.path} is damaged: its pickle refers to storage '${key}', and there is no entry '${name}'.`,
    );
  }
  const range = await archive.locate(name);
  if (range) return { kind: 'file', ...range };
  return { kind: 'packed', length: archive.sizeOf(name), unpack: () => archive.read(name) };
}
