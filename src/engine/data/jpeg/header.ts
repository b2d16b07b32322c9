/**
 * The markers of a JPEG file (ITU-T T.81, annex B), for the files that make up data sets: baseline, 8 bits, grey or YCbCr, one
 * scan. Everything else is left to the general decoder.
 */

/** A component of the frame: how it is sampled, and its tables. */
export interface JpegComponent {
  readonly id: number;
  /** Blocks in a minimum coded unit, across and down. */
  readonly across: number;
  readonly down: number;
  /** 64 divisors, row by row. */
  readonly quantisation: Int16Array;
  readonly dcTable: HuffmanCodes;
  readonly acTable: HuffmanCodes;
}

/** A Huffman table as the file has it: how many codes there are of 1 … 16 bits, and what they stand for. */
export interface HuffmanCodes {
  readonly counts: Uint8Array;
  readonly symbols: Uint8Array;
}

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  readonly components: readonly JpegComponent[];
  /** Coded units between two restart markers; 0 for none. */
  readonly restartInterval: number;
  /** Where the compressed data begins. */
  readonly dataAt: number;
}

/** Place in a block, row by row, of the n-th coefficient of the file. */
export const ZIGZAG = Uint8Array.of(
  ...[0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48],
  ...[41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15],
  ...[23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63],
);

const MARKER = {
  baseline: 0xc0,
  extended: 0xc1,
  huffman: 0xc4,
  scan: 0xda,
  quantisation: 0xdb,
  restartInterval: 0xdd,
  jfif: 0xe0,
  adobe: 0xee,
} as const;

interface FrameComponent extends Pick<JpegComponent, 'id' | 'across' | 'down'> {
  readonly table: number;
}

/** What the markers said so far. */
interface Reading {
  width: number;
  height: number;
  frame: readonly FrameComponent[];
  restartInterval: number;
  hasJfif: boolean;
  /** The colour transform that Adobe's marker names. */
  adobe: number | undefined;
  readonly quantisation: Map<number, Int16Array>;
  readonly huffman: Map<number, HuffmanCodes>;
}

/** Thrown for what is left to the general decoder. */
class Unusual extends Error {}

const unless = (holds: boolean): void => {
  if (!holds) throw new Unusual();
};

/** Reads one segment into the state. */
type Segment = (bytes: Uint8Array, reading: Reading) => void;

const readQuantisation: Segment = (bytes, { quantisation }) => {
  for (let at = 0; at < bytes.length; at += 65) {
    unless(bytes[at] < 4 && at + 65 <= bytes.length); // the upper half says 16 bits
    const table = new Int16Array(64);
    for (let k = 0; k < 64; k++) table[ZIGZAG[k]] = bytes[at + 1 + k];
    quantisation.set(bytes[at], table);
  }
};

const readHuffman: Segment = (bytes, { huffman }) => {
  for (let at = 0; at < bytes.length; ) {
    const counts = bytes.slice(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    unless(counts.length === 16 && total <= 256 && at + 17 + total <= bytes.length);
    huffman.set(bytes[at], { counts, symbols: bytes.slice(at + 17, at + 17 + total) });
    at += 17 + total;
  }
};

const readFrame: Segment = (bytes, reading) => {
  unless(reading.frame.length === 0 && bytes.length >= 6 && bytes[0] === 8 && bytes.length === 6 + 3 * bytes[5]);
  reading.height = bytes[1] * 256 + bytes[2];
  reading.width = bytes[3] * 256 + bytes[4];
  reading.frame = Array.from({ length: bytes[5] }, (_, i) => {
    const [id, sampling, table] = bytes.subarray(6 + 3 * i);
    return { id, across: sampling >> 4, down: sampling & 15, table };
  });
};

const readRestartInterval: Segment = (bytes, reading) => {
  reading.restartInterval = bytes[0] * 256 + bytes[1];
};

const readJfif: Segment = (bytes, reading) => {
  reading.hasJfif ||= isText(bytes, 'JFIF\0');
};

const readAdobe: Segment = (bytes, reading) => {
  if (isText(bytes, 'Adobe')) reading.adobe = bytes[11];
};

const segments: ReadonlyMap<number, Segment> = new Map([
  [MARKER.quantisation, readQuantisation],
  [MARKER.huffman, readHuffman],
  [MARKER.baseline, readFrame],
  [MARKER.extended, readFrame],
  [MARKER.restartInterval, readRestartInterval],
  [MARKER.jfif, readJfif],
  [MARKER.adobe, readAdobe],
]);

const isText = (bytes: Uint8Array, text: string): boolean =>
  [...text].every((character, i) => bytes[i] === character.charCodeAt(0));

/** Whether three components are YCbCr, by libjpeg's rules. */
function isYcc({ hasJfif, adobe, frame }: Reading): boolean {
  if (hasJfif) return true;
  if (adobe !== undefined) return adobe === 1;
  return frame.every(({ id }, i) => id === i + 1);
}

/** The samplings whose enlargement is known here: every component alike, or colours halved across, or both ways. */
const SAMPLINGS: ReadonlySet<string> = new Set(['1,1 1,1 1,1', '2,1 1,1 1,1', '2,2 1,1 1,1']);

function readScan(bytes: Uint8Array, reading: Reading): JpegComponent[] {
  const { frame, quantisation, huffman } = reading;
  unless(bytes.length === 4 + 2 * frame.length && bytes[0] === frame.length);
  const components = frame.map(({ id, table, ...sampling }, i): JpegComponent => {
    const [scanId, tables] = bytes.subarray(1 + 2 * i);
    const [divisors, dcTable, acTable] = [
      quantisation.get(table),
      huffman.get(tables >> 4),
      huffman.get((tables & 15) | 16),
    ];
    if (!divisors || !dcTable || !acTable || scanId !== id) throw new Unusual();
    // A single component is coded block by block, whatever its sampling says.
    const size = frame.length === 1 ? { across: 1, down: 1 } : sampling;
    return { id, ...size, quantisation: divisors, dcTable, acTable };
  });
  const sampling = components.map(({ across, down }) => `${across},${down}`).join(' ');
  unless(components.length === 1 || (SAMPLINGS.has(sampling) && isYcc(reading)));
  return components;
}

function readMarkers(bytes: Uint8Array): JpegHeader {
  const reading: Reading = {
    width: 0,
    height: 0,
    frame: [],
    restartInterval: 0,
    hasJfif: false,
    adobe: undefined,
    quantisation: new Map(),
    huffman: new Map(),
  };
  let at = 2;
  for (;;) {
    unless(bytes[at] === 0xff && at + 4 <= bytes.length);
    const marker = bytes[at + 1];
    const end = at + 2 + bytes[at + 2] * 256 + bytes[at + 3];
    unless(end <= bytes.length && end >= at + 4);
    const body = bytes.subarray(at + 4, end);
    at = end;
    if (marker === MARKER.scan) {
      const components = readScan(body, reading);
      const { width, height, restartInterval } = reading;
      return { width, height, restartInterval, components, dataAt: at };
    }
    const read = segments.get(marker);
    // Other markers between C0 and CF are codings that are not known here; E1 … EF and FE are baggage; FF fills.
    unless(read !== undefined || (marker >= 0xe0 && marker < 0xff));
    read?.(body, reading);
  }
}

/** The header, or undefined where the file is none of those, or damaged. */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  try {
    const header = readMarkers(bytes);
    return header.width > 0 && header.height > 0 ? header : undefined;
  } catch (error) {
    if (error instanceof Unusual) return undefined;
    throw error;
  }
}
