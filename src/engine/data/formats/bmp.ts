/** Windows bitmaps as Pillow reads them: alpha and the fourth byte are dropped. Written here because the general decoder is built without them. */
import type { RgbImage } from '../image.ts';
import { DamagedImageError } from './damaged.ts';

interface Header {
  readonly width: number;
  readonly height: number;
  /** Rows lie from the bottom up unless the height is negative. */
  readonly isTopDown: boolean;
  readonly bits: number;
  readonly compression: number;
  readonly size: number;
  readonly pixelsAt: number;
  readonly paletteAt: number;
  readonly paletteEntry: 3 | 4;
  readonly colours: number;
  readonly masks: readonly number[];
}

const FILE_HEADER = 14;
const CORE_HEADER = 12;
const HEADERS: readonly number[] = [CORE_HEADER, 40, 52, 56, 64, 108, 124];
const RAW = 0;
const RLE8 = 1;
const RLE4 = 2;
const BIT_FIELDS = 3;
/** Pixels that a byte of run lengths stands for, at most (skipped ones aside). */
const MOST_RUN_PIXELS = 128;

/** Places of red, green and blue among the bytes of a pixel, or how its bits are split. */
type Colours = { readonly bytes: readonly [number, number, number] } | { readonly greenBits: 5 | 6 };

export const isBmp = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x42 && bytes[1] === 0x4d && bytes.length > FILE_HEADER + 4 && HEADERS.includes(bytes[FILE_HEADER]);

function readHeader(view: DataView): Header {
  const size = view.getUint32(FILE_HEADER, true);
  const isCore = size === CORE_HEADER;
  const u16 = (at: number): number => view.getUint16(FILE_HEADER + at, true);
  const i32 = (at: number): number => view.getInt32(FILE_HEADER + at, true);
  const bits = isCore ? u16(10) : u16(14);
  const height = isCore ? u16(6) : i32(8);
  const compression = isCore ? RAW : i32(16);
  const hasMasks = compression === BIT_FIELDS;
  const paletteAt = FILE_HEADER + size + (hasMasks && size < 52 ? 12 : 0);
  const colours = (isCore ? 0 : i32(32)) || 2 ** Math.min(bits, 8);
  const paletteEntry = isCore ? 3 : 4;
  const firstPixel = view.getUint32(10, true);
  // A file may say that pixels follow the header although a palette lies between.
  const skipped = bits <= 8 && firstPixel === FILE_HEADER + size ? paletteEntry * colours : 0;
  return {
    width: isCore ? u16(4) : i32(4),
    height: Math.abs(height),
    isTopDown: height < 0,
    bits,
    compression,
    size,
    pixelsAt: firstPixel + skipped,
    paletteAt,
    paletteEntry,
    colours,
    masks: hasMasks
      ? [40, 44, 48, ...(size >= 56 ? [52] : [])].map((at) => view.getUint32(FILE_HEADER + at, true))
      : [],
  };
}

/** The layouts that Pillow knows, by bits and masks (red, green, blue, alpha). */
const LAYOUTS: ReadonlyMap<string, Colours> = new Map<string, Colours>([
  ['32 ff0000 ff00 ff 0', { bytes: [2, 1, 0] }],
  ['32 ff0000 ff00 ff ff000000', { bytes: [2, 1, 0] }],
  ['32 ff000000 ff0000 ff00 0', { bytes: [3, 2, 1] }],
  ['32 ff000000 ff0000 ff00 ff', { bytes: [3, 2, 1] }],
  ['32 ff000000 ff00 ff 0', { bytes: [3, 1, 0] }],
  ['32 ff000000 ff00 ff ff0000', { bytes: [3, 1, 0] }],
  ['32 ff ff00 ff0000 ff000000', { bytes: [0, 1, 2] }],
  ['32 0 0 0 0', { bytes: [2, 1, 0] }],
  ['24 ff0000 ff00 ff', { bytes: [2, 1, 0] }],
  ['16 f800 7e0 1f', { greenBits: 6 }],
  ['16 7c00 3e0 1f', { greenBits: 5 }],
]);

function coloursOf({ bits, masks, compression }: Header): Colours {
  if (compression === RAW) return bits === 16 ? { greenBits: 5 } : { bytes: [2, 1, 0] };
  const [red, green, blue, alpha = 0] = masks;
  const named = (bits === 32 ? [red, green, blue, alpha] : [red, green, blue]).map((mask) => mask.toString(16));
  const layout = LAYOUTS.get(`${bits} ${named.join(' ')}`);
  if (!layout) throw new DamagedImageError(`bitmap fields ${named.join(', ')} of ${bits} bits are not read`);
  return layout;
}

/** Five or six bits to eight, rounded down as Pillow does. */
const widened = (value: number, bits: number): number => Math.trunc((value * 255) / (2 ** bits - 1));

type PixelReader = (row: number, x: number, out: Uint8Array, at: number) => void;

function directReader(bytes: Uint8Array, header: Header): PixelReader {
  const colours = coloursOf(header);
  const stride = header.bits / 8;
  if ('bytes' in colours) {
    return (row, x, out, at) => {
      for (let c = 0; c < 3; c++) out[at + c] = bytes[row + x * stride + colours.bytes[c]];
    };
  }
  const { greenBits } = colours;
  return (row, x, out, at) => {
    const word = bytes[row + x * 2] + bytes[row + x * 2 + 1] * 256;
    out[at] = widened((word >> (5 + greenBits)) & 31, 5);
    out[at + 1] = widened((word >> 5) & (2 ** greenBits - 1), greenBits);
    out[at + 2] = widened(word & 31, 5);
  };
}

/** Red, green, blue of an entry; black beyond the palette. */
function paletteColour(bytes: Uint8Array, { paletteAt, paletteEntry, colours }: Header, index: number): number[] {
  if (index >= colours) return [0, 0, 0];
  const at = paletteAt + index * paletteEntry;
  return [bytes[at + 2], bytes[at + 1], bytes[at]];
}

function paletteReader(bytes: Uint8Array, header: Header): PixelReader {
  const { bits } = header;
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  return (row, x, out, at) => {
    const byte = bytes[row + Math.trunc(x / perByte)];
    const index = (byte >> ((perByte - 1 - (x % perByte)) * bits)) & mask;
    out.set(paletteColour(bytes, header, index), at);
  };
}

/** The indices of a run-length coded bitmap, a byte each, last row first; what is skipped is 0. */
function runLengths(bytes: Uint8Array, { width, height, pixelsAt, compression }: Header): Uint8Array {
  const out = new Uint8Array(width * height);
  const isNarrow = compression === RLE4;
  let [x, y, at] = [0, 0, pixelsAt];
  const put = (index: number): void => {
    if (x < width && y < height) out[y * width + x] = index;
    x += 1;
  };
  const part = (byte: number, i: number): number => (isNarrow ? (i % 2 ? byte & 15 : byte >> 4) : byte);
  while (at + 1 < bytes.length && y < height) {
    const [count, value] = [bytes[at], bytes[at + 1]];
    at += 2;
    if (count > 0) for (let i = 0; i < count; i++) put(part(value, i));
    else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) return out;
    else if (value === 2) {
      [x, y] = [x + bytes[at], y + bytes[at + 1]];
      at += 2;
    } else {
      const stored = isNarrow ? Math.ceil(value / 2) : value;
      for (let i = 0; i < value; i++) put(part(bytes[at + (isNarrow ? i >> 1 : i)], i));
      at += stored + (stored % 2);
    }
  }
  if (y < height - 1) throw new DamagedImageError('the file ends too early');
  return out;
}

function check(bytes: Uint8Array, header: Header): void {
  const { width, height, bits, compression, pixelsAt, colours } = header;
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw new DamagedImageError(`bitmaps of ${bits} bits are not read`);
  const isRunLength = (compression === RLE8 && bits === 8) || (compression === RLE4 && bits === 4);
  if (compression !== RAW && !isRunLength && !(compression === BIT_FIELDS && bits >= 16))
    throw new DamagedImageError(`bitmap compression ${compression} is not read`);
  if (width <= 0 || height <= 0 || colours < 1 || colours > 65536) throw new DamagedImageError('its header is damaged');
  const pitch = Math.ceil((width * bits) / 32) * 4;
  if (isRunLength && width * height > bytes.length * MOST_RUN_PIXELS)
    throw new DamagedImageError(`its size is ${width} × ${height}, more than the file can hold`);
  const least = isRunLength ? 1 : pitch * (height - 1) + Math.ceil((width * bits) / 8);
  if (pixelsAt + least > bytes.length) throw new DamagedImageError('the file ends too early');
}

/** @throws DamagedImageError */
export function decodeBmp(bytes: Uint8Array): RgbImage {
  if (bytes.length < FILE_HEADER + bytes[FILE_HEADER] + 12) throw new DamagedImageError('the file ends too early');
  const header = readHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  check(bytes, header);
  const { width, height, bits, isTopDown, compression } = header;
  const data = new Uint8Array(width * height * 3);
  const indices = compression === RLE8 || compression === RLE4 ? runLengths(bytes, header) : undefined;
  const pitch = Math.ceil((width * bits) / 32) * 4;
  const read = bits <= 8 ? paletteReader(bytes, header) : directReader(bytes, header);
  for (let y = 0; y < height; y++) {
    const stored = isTopDown ? y : height - 1 - y;
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      if (indices) data.set(paletteColour(bytes, header, indices[stored * width + x]), at);
      else read(header.pixelsAt + stored * pitch, x, data, at);
    }
  }
  return { width, height, data };
}
