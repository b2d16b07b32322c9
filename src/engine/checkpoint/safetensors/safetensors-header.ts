/** The header of a safetensors file: JSON that says where each tensor lies. Every length and offset is checked. */

import type { Budget } from '../../../common/budget.ts';
import type { DType } from '../../graph/tensor.ts';
import { BYTES_PER_ELEMENT } from '../../graph/tensor.ts';

/** Where one tensor lies in the file. */
export interface SafetensorsEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly offset: number;
  readonly length: number;
}

export interface SafetensorsHeader {
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the header's order. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** The names of the format's element types. */
export const safetensorsTypes: { readonly [D in DType]: string } = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};

const dtypes = new Map(Object.entries(safetensorsTypes).map(([dtype, name]) => [name, dtype as DType]));

export const LENGTH_BYTES = 8;
/** The format's own limit on the header. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Says what is wrong; the caller adds the file's name. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

function fail(message: string): never {
  throw new SafetensorsError(message);
}

/** The header's length from the file's first 8 bytes, checked against the limits and the file. */
export function headerLength(start: Uint8Array, fileSize: number): number {
  if (start.byteLength < LENGTH_BYTES) fail(`the file has only ${fileSize} bytes, too few for a safetensors header`);
  if (Buffer.from(start).toString('latin1').startsWith('PK\x03\x04'))
    fail("it is a zip archive, as PyTorch's files are, not safetensors");
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    fail(`it announces a header of ${length} bytes, more than the format's ${MAX_HEADER_BYTES}`);
  }
  if (Number(length) > fileSize - LENGTH_BYTES) {
    fail(
      `it announces a header of ${length} bytes, and the file has only ${fileSize}: it is cut off or not safetensors`,
    );
  }
  return Number(length);
}

/** @throws SafetensorsError */
export function parseHeader(bytes: Uint8Array, fileSize: number, budget?: Budget): SafetensorsHeader {
  budget?.spend('values', marksIn(bytes));
  const json = parseJson(bytes);
  const dataStart = LENGTH_BYTES + bytes.byteLength;
  const tensors = new Map<string, SafetensorsEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(value);
    else tensors.set(name, parseEntry(name, value, dataStart, fileSize));
  }
  checkCoverage(tensors, dataStart, fileSize);
  return { metadata, tensors };
}

/** Commas, colons and opening brackets: values that the JSON holds at most. */
function marksIn(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte === 0x2c || byte === 0x3a || byte === 0x5b || byte === 0x7b) count++;
  return count;
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail('its header is not UTF-8 text');
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return fail(`its header is not JSON (${error instanceof Error ? error.message.slice(0, 120) : error})`);
  }
  if (!isRecord(json)) return fail('its header is not a JSON object');
  const twice = duplicateKey(text);
  if (twice !== undefined) fail(`its header has the key ${twice} twice`);
  return json;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The first key that an object of valid JSON holds twice, as written; `JSON.parse` keeps the last one silently. */
function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    if (json[at] === '{') open.push(new Set());
    else if (json[at] === '}') open.pop();
    else if (json[at] === '"') {
      const end = endOfString(json, at);
      const key = json.slice(at, end);
      at = end - 1;
      if (!isKey(json, end)) continue;
      const keys = open[open.length - 1];
      const name = JSON.parse(key) as string;
      if (keys.has(name)) return key;
      keys.add(name);
    }
  }
  return undefined;
}

/** The position after the string that starts at `start`. Not a regular expression: those overflow on long strings. */
function endOfString(json: string, start: number): number {
  for (let quote = json.indexOf('"', start + 1); ; quote = json.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (json[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

/** True if a colon follows the string that ends at `end`. */
function isKey(json: string, end: number): boolean {
  while (' \n\r\t'.includes(json[end])) end++;
  return json[end] === ':';
}

function parseMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value)) return fail('its __metadata__ is not an object');
  const entries = Object.entries(value).map(([key, text]): [string, string] =>
    typeof text === 'string' ? [key, text] : fail(`its __metadata__ '${key}' is not text`),
  );
  return Object.fromEntries(entries);
}

function parseEntry(name: string, value: unknown, dataStart: number, fileSize: number): SafetensorsEntry {
  if (!isRecord(value)) return fail(`tensor '${name}' is not described by an object`);
  const dtype = typeof value['dtype'] === 'string' ? dtypes.get(value['dtype']) : undefined;
  if (!dtype) {
    fail(
      `tensor '${name}' has the element type ${typed(value['dtype'])}, which Espalier does not read ` +
        `(it reads ${[...dtypes.keys()].join(', ')}); convert the file first`,
    );
  }
  const shape = naturals(value['shape']) ?? fail(`tensor '${name}' has a shape that is not a list of sizes`);
  const offsets = naturals(value['data_offsets']);
  if (offsets?.length !== 2) return fail(`tensor '${name}' has no valid data_offsets`);
  const [begin, end] = offsets;
  const dataBytes = fileSize - dataStart;
  if (begin > end || end > dataBytes) {
    fail(`tensor '${name}' lies at bytes ${begin} to ${end} of ${dataBytes}: the file is cut off or damaged`);
  }
  // Beyond 2^53 the product is inexact, but never small enough to equal a length inside of the file.
  const length = shape.reduce((product, size) => product * size, BYTES_PER_ELEMENT[dtype]);
  if (length !== end - begin) {
    fail(`tensor '${name}' of ${dtype} [${shape.join(', ')}] needs ${length} bytes, and has ${end - begin}`);
  }
  return { dtype, shape, offset: dataStart + begin, length };
}

/** What stands where a type should: only text is worth repeating. */
const typed = (dtype: unknown): string =>
  typeof dtype === 'string' ? JSON.stringify(dtype.slice(0, 40)) : `(${typeof dtype})`;

function naturals(value: unknown): number[] | undefined {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0) ? value : undefined;
}

/** The format wants every byte to belong to exactly one tensor. */
function checkCoverage(tensors: ReadonlyMap<string, SafetensorsEntry>, dataStart: number, fileSize: number): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  let position = dataStart;
  let before = '';
  for (const [name, { offset, length }] of sorted) {
    if (offset < position) fail(`tensors '${before}' and '${name}' overlap`);
    if (offset > position) fail(`${offset - position} bytes in front of tensor '${name}' belong to no tensor`);
    position = offset + length;
    before = name;
  }
  if (position !== fileSize) fail(`${fileSize - position} bytes at its end belong to no tensor`);
}
