/**
 * Protocol-buffer wire format, writing only: https://protobuf.dev/programming-guides/encoding/.
 *
 * A field is a small tree of byte arrays that knows its length. Nothing is copied while a message is put together: `encode` allocates once
 * and copies every byte once, however deep the nesting is and however large the tensors are.
 */

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** A part of a message: bytes, or parts in order. `length` counts the encoded bytes. */
export type Chunk = Uint8Array | { readonly length: number; readonly parts: readonly Chunk[] };

const utf8 = new TextEncoder();

/** A varint; negative numbers are written as 64-bit two's complement (10 bytes), as protobuf does for int32 and int64. */
export function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  if (typeof value === 'number' && value >= 0 && value <= 0x7fffffff) {
    let rest = value;
    for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
    bytes.push(rest);
  } else {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
  }
  return Uint8Array.from(bytes);
}

const tag = (field: number, wireType: number): Uint8Array => varint((field << 3) | wireType);

/** Parts in order, without a tag of their own. */
function sequence(parts: readonly Chunk[]): Chunk {
  let length = 0;
  for (const part of parts) length += part.length;
  return { length, parts };
}

/** int32, int64, bool or enum field. */
export function intField(field: number, value: number | bigint | boolean): Chunk {
  return sequence([tag(field, VARINT), varint(typeof value === 'boolean' ? Number(value) : value)]);
}

/** float field. */
export function floatField(field: number, value: number): Chunk {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return sequence([tag(field, FIXED32), bytes]);
}

/** string or bytes field; `bytes` is kept by reference until `encode`. */
export function bytesField(field: number, value: string | Uint8Array): Chunk {
  const bytes = typeof value === 'string' ? utf8.encode(value) : value;
  return sequence([tag(field, LENGTH_DELIMITED), varint(bytes.length), bytes]);
}

/** Message field. */
export function messageField(field: number, parts: readonly Chunk[]): Chunk {
  const body = sequence(parts);
  return sequence([tag(field, LENGTH_DELIMITED), varint(body.length), body]);
}

/** map<string, …> field: one entry message {key = 1, value = 2} for each property, in insertion order. */
export function mapField<V>(
  field: number,
  entries: Readonly<Record<string, V>>,
  encodeValue: (field: number, value: V) => Chunk,
): Chunk[] {
  return Object.entries(entries).map(([key, value]) =>
    messageField(field, [bytesField(1, key), encodeValue(2, value)]),
  );
}

/** The bytes of the parts in order. */
export function encode(parts: readonly Chunk[]): Uint8Array {
  const whole = sequence(parts);
  const out = new Uint8Array(whole.length);
  copyInto(out, 0, whole);
  return out;
}

function copyInto(out: Uint8Array, offset: number, chunk: Chunk): number {
  if (chunk instanceof Uint8Array) {
    out.set(chunk, offset);
    return offset + chunk.length;
  }
  let at = offset;
  for (const part of chunk.parts) at = copyInto(out, at, part);
  return at;
}
