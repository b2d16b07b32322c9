/** Reads zip archives through yauzl, with bounds that a checkpoint never meets and a zip bomb always does. */

import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import yauzl from 'yauzl';
import { UserError } from '../../common/errors.ts';
import type { SourceFile } from './source-file.ts';

/** A checkpoint has one entry a tensor, and some more. */
const MAX_ENTRIES = 500_000;
/** A compressed entry larger than this may not shrink by more than MAX_RATIO. */
const SMALL_ENTRY = 16 << 20;
const MAX_RATIO = 64;
/** An entry of the directory is a record of some twenty fields. */
const ENTRY_VALUES = 4;

export class ZipArchive {
  private constructor(
    private readonly file: SourceFile,
    private readonly zip: yauzl.ZipFile,
    readonly entries: ReadonlyMap<string, yauzl.Entry>,
  ) {}

  /** @throws UserError if the archive is damaged or breaks a bound */
  static async open(file: SourceFile): Promise<ZipArchive> {
    try {
      const zip = await yauzl.fromRandomAccessReaderPromise(new SourceReader(file), file.size, {
        lazyEntries: true,
        autoClose: false,
      });
      return new ZipArchive(file, zip, await readEntries(file, zip));
    } catch (error) {
      throw zipError(file.path, error);
    }
  }

  /** Where a stored (not compressed) entry's bytes lie in the file; undefined for a compressed one. */
  async locate(name: string): Promise<{ offset: number; length: number } | undefined> {
    const entry = this.entry(name);
    return entry.compressionMethod === 0 ? this.dataOf(entry) : undefined;
  }

  /** An entry's bytes. */
  async read(name: string): Promise<Uint8Array> {
    const entry = this.entry(name);
    const { offset, length } = await this.dataOf(entry);
    const data = await this.file.read(offset, length);
    return entry.compressionMethod === 0 ? data : this.inflate(entry, data);
  }

  sizeOf(name: string): number {
    return this.entry(name).uncompressedSize;
  }

  private entry(name: string): yauzl.Entry {
    const entry = this.entries.get(name);
    if (!entry) throw new UserError(`${this.file.path} has no entry '${name}': it is damaged.`);
    return entry;
  }

  private async dataOf(entry: yauzl.Entry): Promise<{ offset: number; length: number }> {
    try {
      const header = await this.zip.readLocalFileHeaderPromise(entry, { minimal: true });
      return { offset: header.fileDataStart, length: entry.compressedSize };
    } catch (error) {
      throw zipError(`${this.file.path} (entry '${entry.fileName}')`, error);
    }
  }

  private async inflate(entry: yauzl.Entry, data: Uint8Array): Promise<Uint8Array> {
    this.file.budget.spend('bytes', entry.uncompressedSize);
    try {
      const bytes = await inflateAsync(data, { maxOutputLength: Math.max(1, entry.uncompressedSize) });
      if (bytes.length === entry.uncompressedSize) return bytes;
    } catch {
      // Reported below: whatever zlib says, the entry is not what the directory announces.
    }
    throw new UserError(
      `${this.file.path} (entry '${entry.fileName}') is damaged: it does not decompress to its size.`,
    );
  }
}

const inflateAsync = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw);

async function readEntries(file: SourceFile, zip: yauzl.ZipFile): Promise<Map<string, yauzl.Entry>> {
  if (zip.entryCount > MAX_ENTRIES) throw new Error(`it announces ${zip.entryCount} entries`);
  const entries = new Map<string, yauzl.Entry>();
  let stored = 0;
  for await (const entry of zip.eachEntry()) {
    checkEntry(entry);
    file.budget.spend('values', ENTRY_VALUES);
    // Entries that overlap are how a small archive unpacks to a huge one.
    stored += entry.compressedSize;
    if (stored > file.size) throw new Error(`its entries up to '${entry.fileName}' claim more bytes than the file has`);
    if (entries.has(entry.fileName)) throw new Error(`it has two entries '${entry.fileName}'`);
    entries.set(entry.fileName, entry);
  }
  return entries;
}

function checkEntry(entry: yauzl.Entry): void {
  const where = `entry '${entry.fileName}'`;
  if (entry.isEncrypted()) throw new Error(`${where} is encrypted`);
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
    throw new Error(`${where} uses compression method ${entry.compressionMethod}, which Espalier does not read`);
  }
  const { compressedSize, uncompressedSize } = entry;
  if (!Number.isSafeInteger(uncompressedSize)) throw new Error(`${where} claims ${uncompressedSize} bytes`);
  if (uncompressedSize > SMALL_ENTRY && uncompressedSize > MAX_RATIO * compressedSize) {
    throw new Error(`${where} would unpack ${compressedSize} bytes to ${uncompressedSize}, which no checkpoint does`);
  }
}

function zipError(where: string, error: unknown): unknown {
  if (error instanceof UserError || !(error instanceof Error)) return error;
  return new UserError(`Cannot read ${where} as a zip file: ${error.message.replace(/\.$/, '')}.`, { cause: error });
}

/** Gives yauzl the few bytes of a header that it asks for at a time, at once: waiting for each would take longer. */
class SourceReader extends yauzl.RandomAccessReader {
  constructor(private readonly file: SourceFile) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    let failure: Error | null = null;
    try {
      this.file.readNow(buffer.subarray(offset, offset + length), position);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    callback(failure);
  }
}
