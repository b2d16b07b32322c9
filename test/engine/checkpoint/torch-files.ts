/** Builds PyTorch files for tests, zip and legacy, from scratch: what is under test has no part in it. */

import { deflateRawSync } from 'node:zlib';
import { call, global, list, orderedDict, type Piece, persistent, pickle, type Writable } from './pickle-writer.ts';

export interface TestStorage {
  /** Storage class, e.g. `FloatStorage`. */
  readonly type: string;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly elements: number;
}

export function floats(key: string, ...values: number[]): TestStorage {
  return { type: 'FloatStorage', key, bytes: bytesOf(Float32Array.from(values)), elements: values.length };
}

export function storage(type: string, key: string, data: ArrayBufferView & { readonly length: number }): TestStorage {
  return { type, key, bytes: bytesOf(data), elements: data.length };
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function storageId({ type, key, elements }: TestStorage, location = 'cpu', ...view: Writable[]): Piece {
  return persistent('storage', global('torch', type), key, location, elements, ...view);
}

/** `_rebuild_tensor_v2` on a storage. */
export function tensor(
  from: TestStorage,
  shape: readonly number[],
  {
    offset = 0,
    stride = rowMajor(shape),
    location = 'cpu',
  }: { offset?: number; stride?: readonly number[]; location?: string } = {},
): Piece {
  const id = storageId(from, location);
  return call(global('torch._utils', '_rebuild_tensor_v2'), id, offset, [...shape], [...stride], false, orderedDict());
}

export function parameter(data: Piece): Piece {
  return call(global('torch._utils', '_rebuild_parameter'), data, true, orderedDict());
}

function rowMajor(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}

export interface ZipTestEntry {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflate?: boolean;
  readonly encrypted?: boolean;
  /** What the archive says, where it lies. */
  readonly claims?: {
    readonly size?: number;
    readonly compressedSize?: number;
    readonly method?: number;
    readonly offset?: number;
  };
}

/** A zip archive. */
export function zip(entries: readonly ZipTestEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const { name, data, deflate, encrypted, claims = {} } of entries) {
    const content = deflate ? deflateRawSync(data) : Buffer.from(data);
    const method = claims.method ?? (deflate ? 8 : 0);
    const sizes = [claims.compressedSize ?? content.length, claims.size ?? data.length];
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(encrypted ? 1 : 0, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(sizes[0], 14);
    common.writeUInt32LE(sizes[1], 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name)]);
    const place = Buffer.alloc(4);
    place.writeUInt32LE(claims.offset ?? position);
    directory.push(
      Buffer.concat([
        Buffer.from('PK\x01\x02'),
        Buffer.from([20, 0]),
        common,
        Buffer.alloc(10),
        place,
        Buffer.from(name),
      ]),
    );
    parts.push(local, content);
    position += local.length + content.length;
  }
  const directoryBytes = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directoryBytes.length, 12);
  end.writeUInt32LE(position, 16);
  return Buffer.concat([...parts, directoryBytes, end]);
}

/** The entries of a file that `torch.save` writes today. */
export function torchZipEntries(
  root: Writable,
  storages: readonly TestStorage[],
  byteorder = 'little',
): ZipTestEntry[] {
  return [
    { name: 'archive/data.pkl', data: pickle(root) },
    { name: 'archive/byteorder', data: Buffer.from(byteorder) },
    ...storages.map(({ key, bytes }) => ({ name: `archive/data/${key}`, data: bytes })),
    { name: 'archive/version', data: Buffer.from('3\n') },
  ];
}

export function torchZip(root: Writable, storages: readonly TestStorage[]): Buffer {
  return zip(torchZipEntries(root, storages));
}

/** A file as `torch.save` wrote it before 1.6. */
export function torchLegacy(root: Writable, storages: readonly TestStorage[]): Buffer {
  const magic = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
  const data = storages.flatMap(({ bytes, elements }) => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(elements));
    return [count, bytes];
  });
  const keys = pickle(list(...storages.map(({ key }) => key)));
  return Buffer.concat([magic, pickle(1001), pickle(new Map([['little_endian', true]])), pickle(root), keys, ...data]);
}
