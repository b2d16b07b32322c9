/** Reads a `.pt2` archive (torch.export.save): the exported program as JSON, and its tensors as bytes. */

import { closeSync, openSync, readSync } from 'node:fs';
import type { Budget } from '../../../common/budget.ts';
import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import { BYTES_PER_ELEMENT, type DType, elementCount, type Tensor } from '../../graph/tensor.ts';
import { type ByteRange, SourceFile } from '../source-file.ts';
import { gatherStrided, isContiguous, spanOf, viewAs } from '../tensor-bytes.ts';
import { ZipArchive } from '../zip.ts';
import { type ExportedProgram, ProgramError, parseJson, parseProgram } from './exported-program.ts';

/** A network of a thousand layers has some megabytes of JSON. */
const MAX_JSON_BYTES = 256 << 20;
/** Strided tensors are copied: up to this much more than the file has. */
const MAX_EXPANDED_BYTES = 1 << 30;

/** PyTorch's numbers of element types (torch/_export/serde/schema.py, ScalarType). */
const ELEMENT_TYPES: Readonly<Record<number, DType>> = {
  1: 'uint8',
  2: 'int8',
  3: 'int16',
  4: 'int32',
  5: 'int64',
  6: 'float16',
  7: 'float32',
  8: 'float64',
  12: 'bool',
  13: 'bfloat16',
};

interface StoredTensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
  read(): Tensor;
}

export interface Pt2File {
  readonly program: ExportedProgram;
  /** By state-dict name; constants by theirs. */
  readonly tensors: ReadonlyMap<string, StoredTensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of the file: bounds all that is made of it. */
  readonly budget: Budget;
}

/** Espalier's own record in the archive, which PyTorch passes over. */
const METADATA_RECORD = 'extra/espalier.json';

/** Whether a zip file is an exported program, by the names of its entries. */
export async function isPt2(path: string): Promise<boolean> {
  const source = await SourceFile.open(path);
  try {
    const head = Buffer.from(await source.read(0, Math.min(4, source.size))).toString('latin1');
    if (head !== 'PK\x03\x04') return false;
    const { entries } = await ZipArchive.open(source);
    return [...entries.keys()].some((name) => /(^|\/)(archive_format|serialized_exported_program\.json)$/.test(name));
  } finally {
    await source.close();
  }
}

interface ReadOptions {
  /** Reads a tensor's bytes when they are asked for: whoever only wants the network asks for few. */
  readonly lazily?: boolean;
}

/** @throws UserError naming the file and what is wrong with it */
export async function readPt2(
  path: string,
  context: RunContext = {},
  { lazily = false }: ReadOptions = {},
): Promise<Pt2File> {
  const source = await SourceFile.open(path);
  try {
    const archive = await ZipArchive.open(source);
    const models = [...archive.entries.keys()].flatMap(
      (name) => /^(.*\/)?models\/([^/]+)\.json$/.exec(name)?.slice(1) ?? [],
    );
    if (models.length !== 2) {
      const old = archive.entries.has('serialized_exported_program.json');
      throw new UserError(
        old
          ? `${path} was saved by PyTorch before 2.9: load it with torch.export.load and save it again with a newer one.`
          : `${path} is a zip file with ${models.length / 2} exported programs in it: Espalier reads archives of one, as torch.export.save writes them.`,
      );
    }
    const [folder = '', model] = models;
    const text = async (name: string): Promise<string> => {
      if (archive.sizeOf(name) > MAX_JSON_BYTES)
        throw new UserError(`Cannot read ${path}: its ${name} has ${archive.sizeOf(name)} bytes.`);
      return Buffer.from(await archive.read(name)).toString('utf8');
    };
    const program = parseProgram(await text(`${folder}models/${model}.json`));
    const tensors = new Map<string, StoredTensorInfo>();
    for (const part of ['weights', 'constants']) {
      const config = `${folder}data/${part}/${model}_${part}_config.json`;
      if (!archive.entries.has(config)) continue;
      const entries = tensorEntries(path, await text(config));
      await readTensors({ path, source, archive, lazily }, `${folder}data/${part}/`, entries, tensors, context);
    }
    const record = `${folder}${METADATA_RECORD}`;
    const metadata = archive.entries.has(record)
      ? (parseJson(await text(record), record) as Record<string, string>)
      : {};
    return { program, tensors, metadata, budget: source.budget };
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    throw new UserError(`Cannot read ${path}: it is no exported program, or is damaged: ${error.message}.`);
  } finally {
    await source.close();
  }
}

interface TensorEntry {
  readonly name: string;
  readonly file: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly offset: number;
}

/** The config beside the tensors: which file, element type, sizes, strides. */
function tensorEntries(path: string, json: string): readonly TensorEntry[] {
  const damaged = (name: string): never => {
    throw new UserError(`Cannot read ${path}: what it says of its tensor '${name}' is damaged.`);
  };
  const parsed = parseJson(json, 'the list of its tensors') as { config?: unknown } | null;
  const config = parsed?.config;
  if (config === null || typeof config !== 'object') throw new ProgramError('it has no list of its tensors');
  return Object.entries(config as Record<string, Record<string, unknown>>).map(([name, entry]): TensorEntry => {
    if (entry === null || typeof entry !== 'object') return damaged(name);
    if (entry['use_pickle'])
      throw new UserError(
        `${path} holds its tensor '${name}' pickled, which Espalier does not read: export the model with plain tensors.`,
      );
    const meta = entry['tensor_meta'] as Record<string, unknown> | null;
    const dtype = ELEMENT_TYPES[meta?.['dtype'] as number];
    const integers = (value: unknown): number[] => {
      if (!Array.isArray(value)) return damaged(name);
      return value.map((size: { as_int?: unknown }) => {
        const n = size?.as_int;
        return typeof n === 'number' && Number.isSafeInteger(n) && n >= 0 ? n : damaged(name);
      });
    };
    if (!meta || typeof entry['path_name'] !== 'string') return damaged(name);
    if (!dtype) throw new UserError(`${path}: its tensor '${name}' has an element type that Espalier does not read.`);
    const shape = integers(meta['sizes']);
    const stride = integers(meta['strides']);
    const [offset] = integers([meta['storage_offset']]);
    if (stride.length !== shape.length) return damaged(name);
    return { name, file: entry['path_name'], dtype, shape, stride, offset };
  });
}

interface Archive {
  readonly path: string;
  readonly source: SourceFile;
  readonly archive: ZipArchive;
  readonly lazily: boolean;
}

/** Bytes of a file that is not open any more. */
function bytesAgain(path: string, { offset, length }: ByteRange): Uint8Array {
  const bytes = new Uint8Array(length);
  const file = openSync(path, 'r');
  try {
    for (let done = 0; done < length; ) {
      const count = readSync(file, bytes, done, length - done, offset + done);
      if (!count) throw new UserError(`${path} was cut off while it was read.`);
      done += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

async function readTensors(
  { path, source, archive, lazily }: Archive,
  folder: string,
  entries: readonly TensorEntry[],
  into: Map<string, StoredTensorInfo>,
  context: RunContext,
): Promise<void> {
  const ranges: ByteRange[] = [];
  let expanded = 0;
  for (const { name, file, dtype, shape, stride, offset } of entries) {
    const place = await archive.locate(`${folder}${file}`);
    if (!place) throw new UserError(`${path}: its tensor '${name}' is compressed, which torch.export.save never does.`);
    const alignment = BYTES_PER_ELEMENT[dtype];
    const length = spanOf(shape, stride) * alignment;
    if (offset * alignment + length > place.length)
      throw new UserError(
        `${path} is damaged: its tensor '${name}' [${shape.join(', ')}] needs more bytes than it has.`,
      );
    if (!isContiguous(shape, stride)) expanded += elementCount(shape) * alignment;
    ranges.push({ offset: place.offset + offset * alignment, length, alignment });
  }
  if (expanded > MAX_EXPANDED_BYTES) throw new UserError(`${path}: its tensors unfold to ${expanded} bytes.`);
  const parts = lazily ? [] : await source.readRanges(ranges, context);
  entries.forEach(({ name, dtype, shape, stride }, i) => {
    const read = (): Tensor => {
      const data = viewAs(dtype, parts[i] ?? bytesAgain(path, ranges[i]));
      return { dtype, shape, data: isContiguous(shape, stride) ? data : gatherStrided(dtype, data, shape, stride) };
    };
    into.set(name, { dtype, shape, read });
  });
}
