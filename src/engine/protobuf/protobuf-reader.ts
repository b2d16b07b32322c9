/**
 * Protocol-buffer wire format, reading only: https://protobuf.dev/programming-guides/encoding/.
 *
 * A message is walked field by field; every length is checked against the message that it lies in, and byte fields are
 * views. Nothing here descends by itself: a reader of one kind of message calls `fields` for the parts that it knows, so
 * nesting that it does not know is skipped, however deep.
 */

/** What is wrong with the bytes; the caller says of which file. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** Bytes of the longest varint: 64 bits in groups of 7. */
const MAX_VARINT = 10;

/** Reads varints one after another; the position is that of the next byte. */
class Cursor {
  position = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get atEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  /** A varint as an unsigned number; exact up to 2⁵³, and larger ones only as `bigint`. */
  varint(): number | bigint {
    const { bytes } = this;
    let value = 0;
    for (let i = 0, scale = 1; i < MAX_VARINT; i++, scale *= 128) {
      if (this.position >= bytes.length) throw new ProtobufError('it ends within a number');
      const byte = bytes[this.position++];
      value += (byte & 127) * scale;
      if (byte < 128) return value <= Number.MAX_SAFE_INTEGER ? value : this.large(i + 1);
    }
    throw new ProtobufError(`a number at byte ${this.position} has no end`);
  }

  /** The varint of `count` bytes just read, exactly. */
  private large(count: number): bigint {
    let value = 0n;
    for (let i = 1; i <= count; i++) value = (value << 7n) | BigInt(this.bytes[this.position - i] & 127);
    return BigInt.asUintN(64, value);
  }

  take(length: number | bigint): Uint8Array {
    const start = this.position;
    if (typeof length === 'bigint' || length > this.bytes.length - start)
      throw new ProtobufError(`${length} bytes are announced where ${this.bytes.length - start} are left`);
    this.position = start + length;
    return this.bytes.subarray(start, start + length);
  }
}

/** One field of a message. */
export interface Field {
  readonly number: number;
  /** The value of a varint field, as unsigned 64 bits; 0 for others. */
  readonly value: number | bigint;
  /** The content of a string, bytes, message, packed or fixed-size field; empty for varints. */
  readonly bytes: Uint8Array;
  readonly wire: 'varint' | 'fixed64' | 'bytes' | 'fixed32';
}

const NOTHING = new Uint8Array(0);

/**
 * The fields of a message in order.
 * @throws ProtobufError at the first that is not well formed
 */
export function* fields(message: Uint8Array): Generator<Field> {
  const cursor = new Cursor(message);
  while (!cursor.atEnd) {
    const tag = cursor.varint();
    if (typeof tag === 'bigint' || tag > 0xffffffff) throw new ProtobufError('a field has no valid tag');
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number === 0) throw new ProtobufError('a field has the number 0');
    if (wire === VARINT) yield { number, value: cursor.varint(), bytes: NOTHING, wire: 'varint' };
    else if (wire === LENGTH_DELIMITED) yield { number, value: 0, bytes: cursor.take(cursor.varint()), wire: 'bytes' };
    else if (wire === FIXED64) yield { number, value: 0, bytes: cursor.take(8), wire: 'fixed64' };
    else if (wire === FIXED32) yield { number, value: 0, bytes: cursor.take(4), wire: 'fixed32' };
    else throw new ProtobufError(`a field has the type ${wire}, which nothing writes any more`);
  }
}

const strict = new TextDecoder('utf-8', { fatal: true });

/** A string field. */
export function text({ bytes }: Field): string {
  try {
    return strict.decode(bytes);
  } catch {
    throw new ProtobufError('a name is not UTF-8');
  }
}

/** int32 or int64 field: two's complement. Rounded beyond 2⁵³. */
export function integer({ value, wire }: Field): number {
  if (wire !== 'varint') throw new ProtobufError('a number is stored as something else');
  return typeof value === 'number' ? value : Number(BigInt.asIntN(64, value));
}

/** float field. */
export function float({ bytes, wire }: Field): number {
  if (wire !== 'fixed32') throw new ProtobufError('a number is stored as something else');
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
}

/** How many integers a field of repeated ones holds, without reading them: each ends in a byte below 128. */
export function countIntegers({ wire, bytes }: Field): number {
  if (wire !== 'bytes') return 1;
  let count = 0;
  for (const byte of bytes) if (byte < 128) count++;
  return count;
}

/** Visits the integers of a field of repeated ones: one, or a packed run. */
export function eachInteger(field: Field, visit: (value: number) => void): void {
  if (field.wire !== 'bytes') {
    visit(integer(field));
    return;
  }
  const cursor = new Cursor(field.bytes);
  while (!cursor.atEnd) visit(integer({ ...field, wire: 'varint', value: cursor.varint() }));
}

/** Appends a field of repeated integers: one of them, or a packed run. */
export function appendIntegers(into: number[], field: Field): void {
  eachInteger(field, (value) => into.push(value));
}

/** Appends the bytes of repeated floats or doubles: one of them, or a packed run. They lie as in memory (little-endian). */
export function appendFixed(into: Uint8Array[], { bytes, wire }: Field, size: 4 | 8): void {
  const fits = wire === (size === 4 ? 'fixed32' : 'fixed64') || (wire === 'bytes' && bytes.length % size === 0);
  if (!fits) throw new ProtobufError('numbers are stored as something else');
  into.push(bytes);
}
