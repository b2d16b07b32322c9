/** The first directory of a TIFF or BigTIFF file (TIFF 6.0, section 2): the tags that say what its pixels mean. */

/** Tags by their number in the specification. */
export const TIFF_TAGS = {
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  orientation: 274,
  extraSamples: 338,
  sampleFormat: 339,
  ycbcrCoefficients: 529,
  ycbcrSubsampling: 530,
  referenceBlackWhite: 532,
} as const;
export type TiffTag = keyof typeof TIFF_TAGS;

interface TiffField {
  readonly values: readonly number[];
  /** Byte offset of the first value. */
  readonly at: number;
}

export interface TiffTags {
  readonly isLittleEndian: boolean;
  readonly fields: ReadonlyMap<number, TiffField>;
}

/** Types of values: whole numbers of 16 bits, fractions of two of 32. */
const SHORT = 3;
const RATIONAL = 5;
const VALUE_BYTES: ReadonlyMap<number, number> = new Map([
  [SHORT, 2],
  [RATIONAL, 8],
]);
/** Values longer than this are no tag of those above. */
const MOST_VALUES = 16;

/** Where the parts of a directory lie: classic files count in 2 and 4 bytes, BigTIFF in 8. */
interface Layout {
  readonly countBytes: number;
  readonly entryBytes: number;
  readonly wordBytes: number;
}
const CLASSIC: Layout = { countBytes: 2, entryBytes: 12, wordBytes: 4 };
const BIG: Layout = { countBytes: 8, entryBytes: 20, wordBytes: 8 };

/** Whether the bytes begin as a TIFF file does. */
export function isTiff(bytes: Uint8Array): boolean {
  const mark = String.fromCharCode(...bytes.subarray(0, 4));
  return ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(mark);
}

/** @returns undefined where the directory does not lie inside the file */
export function readTiffTags(bytes: Uint8Array): TiffTags | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittleEndian = bytes[0] === 0x49;
  const layout = (isLittleEndian ? bytes[2] : bytes[3]) === 0x2b ? BIG : CLASSIC;
  const word = (at: number): number =>
    layout.wordBytes === 4 ? view.getUint32(at, isLittleEndian) : Number(view.getBigUint64(at, isLittleEndian));
  try {
    const start = word(layout.wordBytes);
    const count = layout.countBytes === 2 ? view.getUint16(start, isLittleEndian) : word(start);
    const fields = new Map<number, TiffField>();
    const wanted = new Set<number>(Object.values(TIFF_TAGS));
    for (let i = 0; i < Math.min(count, 4096); i++) {
      const entry = start + layout.countBytes + i * layout.entryBytes;
      const tag = view.getUint16(entry, isLittleEndian);
      const valueBytes = VALUE_BYTES.get(view.getUint16(entry + 2, isLittleEndian));
      if (!wanted.has(tag) || !valueBytes) continue;
      const length = Math.min(word(entry + 4), MOST_VALUES);
      const inside = entry + 4 + layout.wordBytes;
      const at = length * valueBytes <= layout.wordBytes ? inside : word(inside);
      const short = (place: number): number => view.getUint16(place, isLittleEndian);
      const ratio = (place: number): number =>
        view.getUint32(place, isLittleEndian) / view.getUint32(place + 4, isLittleEndian);
      const values = Array.from({ length }, (_, k) => (valueBytes === 2 ? short(at + k * 2) : ratio(at + k * 8)));
      fields.set(tag, { at, values });
    }
    return { isLittleEndian, fields };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** A copy of the file in which a tag's first value is another. */
export function withTiffValue(bytes: Uint8Array, tags: TiffTags, tag: TiffTag, value: number): Uint8Array {
  const field = tags.fields.get(TIFF_TAGS[tag]);
  if (!field) return bytes;
  const copy = Uint8Array.from(bytes);
  new DataView(copy.buffer).setUint16(field.at, value, tags.isLittleEndian);
  return copy;
}
