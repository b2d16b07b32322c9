/** Writes zip archives the way PyTorch's files want them: entries stored, data aligned, ZIP64 where sizes need it. */

import * as zlib from 'node:zlib';
import type { WriteSink } from '../files/atomic-write.ts';

/** PyTorch maps storages from the file, so their data start at multiples of this. */
export const ALIGNMENT = 64;

const MAX_32 = 0xffffffff;
const MAX_16 = 0xffff;
const UTF8_NAMES = 0x0800;
/** 1980-01-01, the zip format's first day: files of equal content are equal. */
const DATE = 0x0021;
const ZIP64_EXTRA = 0x0001;
/** PyTorch's padding is an extra field of this id ("FB"). */
const PADDING_EXTRA = 0x4246;
const VERSION = 20;
const VERSION_ZIP64 = 45;

/** What the archive's directory needs to know of an entry. */
export interface WrittenEntry {
  readonly name: string;
  readonly size: number;
  readonly crc32: number;
  /** Byte of its local header. */
  readonly offset: number;
}

/** Archive in progress: entries go to the sink one by one, the directory at the end. */
export class ZipWriter {
  private readonly entries: WrittenEntry[] = [];
  constructor(private readonly sink: WriteSink) {}

  async add(name: string, data: Uint8Array): Promise<void> {
    const entry = { name, size: data.byteLength, crc32: crc32(data), offset: this.sink.position };
    await this.sink.write(localHeader(entry));
    await this.sink.write(data);
    this.entries.push(entry);
  }

  async finish(): Promise<void> {
    const start = this.sink.position;
    const headers = this.entries.map(directoryHeader);
    for (const header of headers) await this.sink.write(header);
    await this.sink.write(directoryEnd(this.entries.length, start, this.sink.position - start));
  }
}

/** Little-endian fields: [value, bytes] pairs. */
function fields(...values: readonly (readonly [value: number, bytes: 2 | 4 | 8])[]): Buffer {
  const buffer = Buffer.alloc(values.reduce((sum, [, bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [value, bytes] of values) {
    if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value), at);
    else buffer.writeUIntLE(value, at, bytes);
    at += bytes;
  }
  return buffer;
}

/** What both headers of an entry say alike: from the version needed to the lengths of name and extra fields. */
function commonFields({ size, crc32 }: WrittenEntry, version: number, name: Buffer, extra: Buffer): Buffer {
  const large = size >= MAX_32;
  return fields(
    [version, 2],
    [UTF8_NAMES, 2],
    [0, 2],
    [0, 2],
    [DATE, 2],
    [crc32, 4],
    [large ? MAX_32 : size, 4],
    [large ? MAX_32 : size, 4],
    [name.length, 2],
    [extra.length, 2],
  );
}

/** The header in front of an entry's data, padded such that these are aligned. */
function localHeader(entry: WrittenEntry): Buffer {
  const { size, offset } = entry;
  const nameBytes = Buffer.from(entry.name, 'utf8');
  const large = size >= MAX_32;
  const zip64 = large ? fields([ZIP64_EXTRA, 2], [16, 2], [size, 8], [size, 8]) : Buffer.alloc(0);
  const unpadded = offset + 30 + nameBytes.length + zip64.length + 4;
  const padding = (ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT;
  const extra = Buffer.concat([zip64, fields([PADDING_EXTRA, 2], [padding, 2]), Buffer.alloc(padding, 'Z')]);
  const common = commonFields(entry, large ? VERSION_ZIP64 : VERSION, nameBytes, extra);
  return Buffer.concat([fields([0x04034b50, 4]), common, nameBytes, extra]);
}

/** An entry of the archive's directory. */
export function directoryHeader(entry: WrittenEntry): Buffer {
  const { size, offset } = entry;
  const nameBytes = Buffer.from(entry.name, 'utf8');
  const large = size >= MAX_32;
  const far = offset >= MAX_32;
  const beyond = [...(large ? [size, size] : []), ...(far ? [offset] : [])];
  const extra = beyond.length
    ? Buffer.concat([fields([ZIP64_EXTRA, 2], [beyond.length * 8, 2]), ...beyond.map((value) => fields([value, 8]))])
    : Buffer.alloc(0);
  const version = beyond.length ? VERSION_ZIP64 : VERSION;
  const common = commonFields(entry, version, nameBytes, extra);
  const rest = fields([0, 2], [0, 2], [0, 2], [0, 4], [far ? MAX_32 : offset, 4]);
  return Buffer.concat([fields([0x02014b50, 4], [version, 2]), common, rest, nameBytes, extra]);
}

/** The end of the archive, with its ZIP64 form in front where the short one does not suffice. */
export function directoryEnd(count: number, start: number, size: number): Buffer {
  const short = fields(
    [0x06054b50, 4],
    [0, 2],
    [0, 2],
    [Math.min(count, MAX_16), 2],
    [Math.min(count, MAX_16), 2],
    [Math.min(size, MAX_32), 4],
    [Math.min(start, MAX_32), 4],
    [0, 2],
  );
  if (count < MAX_16 && start < MAX_32 && size < MAX_32) return short;
  const long = fields(
    [0x06064b50, 4],
    [44, 8],
    [VERSION_ZIP64, 2],
    [VERSION_ZIP64, 2],
    [0, 4],
    [0, 4],
    [count, 8],
    [count, 8],
    [size, 8],
    [start, 8],
  );
  const locator = fields([0x07064b50, 4], [0, 4], [start + size, 8], [1, 4]);
  return Buffer.concat([long, locator, short]);
}

/** The zip format's checksum: zlib's where Node has it (20.15 on), else by table. */
function crc32(bytes: Uint8Array): number {
  return typeof zlib.crc32 === 'function' ? zlib.crc32(bytes) : crc32ByTable(bytes);
}

let crcTable: Uint32Array | undefined;

export function crc32ByTable(bytes: Uint8Array): number {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  const table = crcTable;
  let crc = MAX_32;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]) & 0xff];
  return (crc ^ MAX_32) >>> 0;
}
