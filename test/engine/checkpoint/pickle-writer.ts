/** A small pickle writer (protocol 2) for test files: values, and the pieces that only pickles have. */

/** A piece of a pickle that pushes one value. */
export class Piece {
  constructor(readonly bytes: Buffer) {}
}

export type Writable =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Writable[]
  | Map<Writable, Writable>
  | Piece;

/** `PROTO value STOP` */
export function pickle(value: Writable): Buffer {
  return Buffer.concat([Buffer.from([0x80, 2]), write(value), Buffer.from('.')]);
}

export function global(module: string, name: string): Piece {
  return new Piece(Buffer.from(`c${module}\n${name}\n`, 'utf8'));
}

/** A call: `callable(*args)`. */
export function call(callable: Piece, ...args: Writable[]): Piece {
  return new Piece(Buffer.concat([callable.bytes, write(args), Buffer.from('R')]));
}

/** An instance made without arguments, with its `__dict__`. */
export function instance(module: string, name: string, state: { readonly [name: string]: Writable }): Piece {
  return new Piece(
    Buffer.concat([global(module, name).bytes, Buffer.from(')\x81', 'latin1'), write(dict(state)), Buffer.from('b')]),
  );
}

/** What lies outside of the pickle under this id. */
export function persistent(...id: Writable[]): Piece {
  return new Piece(Buffer.concat([write(id), Buffer.from('Q')]));
}

export function list(...items: Writable[]): Piece {
  return new Piece(Buffer.concat([Buffer.from(']('), ...items.map(write), Buffer.from('e')]));
}

export function dict(entries: { readonly [name: string]: Writable }): Map<Writable, Writable> {
  return new Map(Object.entries(entries));
}

export function orderedDict(entries: { readonly [name: string]: Writable } = {}): Piece {
  const empty = call(global('collections', 'OrderedDict'));
  return new Piece(Buffer.concat([empty.bytes, items(dict(entries))]));
}

function items(map: ReadonlyMap<Writable, Writable>): Buffer {
  return Buffer.concat([
    Buffer.from('('),
    ...[...map].flatMap(([key, value]) => [write(key), write(value)]),
    Buffer.from('u'),
  ]);
}

function write(value: Writable): Buffer {
  if (value instanceof Piece) return value.bytes;
  if (value === null) return Buffer.from('N');
  if (typeof value === 'boolean') return Buffer.from([value ? 0x88 : 0x89]);
  if (typeof value === 'number') return number(value);
  if (typeof value === 'string') return sized('X', Buffer.from(value, 'utf8'));
  if (value instanceof Uint8Array) return sized('B', value);
  if (value instanceof Map) return Buffer.concat([Buffer.from('}'), items(value)]);
  return Buffer.concat([Buffer.from('('), ...value.map(write), Buffer.from('t')]);
}

function sized(code: string, bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([Buffer.from(code), length, bytes]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(9);
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
    bytes.writeUInt8(0x4a);
    bytes.writeInt32LE(value, 1);
    return bytes.subarray(0, 5);
  }
  bytes.writeUInt8(0x47);
  bytes.writeDoubleBE(value, 1);
  return bytes;
}
