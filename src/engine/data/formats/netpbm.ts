/**
 * PBM, PGM, PPM (netpbm's formats, binary and as text) and grey PFM, with Pillow's rounding. Written here because the general
 * decoder is built without them.
 */
import type { RgbImage } from '../image.ts';
import { DamagedImageError } from './damaged.ts';

interface Kind {
  readonly channels: 1 | 3;
  readonly isText: boolean;
  /** Bits: no highest value in the header, one is black. */
  readonly isBitmap: boolean;
}

const kinds: ReadonlyMap<string, Kind> = new Map([
  ['P1', { channels: 1, isText: true, isBitmap: true }],
  ['P2', { channels: 1, isText: true, isBitmap: false }],
  ['P3', { channels: 3, isText: true, isBitmap: false }],
  ['P4', { channels: 1, isText: false, isBitmap: true }],
  ['P5', { channels: 1, isText: false, isBitmap: false }],
  ['P6', { channels: 3, isText: false, isBitmap: false }],
]);

const magicOf = (bytes: Uint8Array): string => String.fromCharCode(bytes[0], bytes[1]);
const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);
const HASH = 35;
const MOST_DIGITS = 10;
const MOST_VALUE = 65535;

export const isNetpbm = (bytes: Uint8Array): boolean =>
  (kinds.has(magicOf(bytes)) || magicOf(bytes) === 'Pf') && isSpace(bytes[2]);

/** Words between spaces and comments. */
class Words {
  private at = 2;
  constructor(private readonly bytes: Uint8Array) {}

  /** The next word; one space after it is taken too. Throws DamagedImageError at the end. */
  next(): string {
    const { bytes } = this;
    let word = '';
    while (this.at < bytes.length && word.length <= MOST_DIGITS) {
      const byte = bytes[this.at++];
      if (byte === HASH) while (this.at < bytes.length && ![10, 13].includes(bytes[this.at++])) {}
      else if (!isSpace(byte)) word += String.fromCharCode(byte);
      else if (word !== '') break;
    }
    if (word === '') throw new DamagedImageError('the file ends too early');
    return word;
  }

  whole(what: string, most: number): number {
    const word = this.next();
    const value = Number(word);
    if (!/^\d+$/.test(word) || value > most) throw new DamagedImageError(`its ${what} is ${JSON.stringify(word)}`);
    return value;
  }

  /** The next character that is no space, without comments. */
  digit(): number {
    const { bytes } = this;
    for (; this.at < bytes.length; this.at++) {
      if (bytes[this.at] === HASH) while (this.at < bytes.length && ![10, 13].includes(bytes[this.at])) this.at += 1;
      else if (!isSpace(bytes[this.at])) return bytes[this.at++];
    }
    throw new DamagedImageError('the file ends too early');
  }

  rest(bytes: number): Uint8Array {
    const part = this.bytes.subarray(this.at, this.at + bytes);
    if (part.length < bytes) throw new DamagedImageError('the file ends too early');
    return part;
  }
}

/** Python's `round`, of a value from 0. */
const roundHalfEven = (x: number): number => {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
};

/** Of values up to `most`: colours are scaled to 255; grey of more than 8 bits is scaled to 65535 and clipped. */
const scaled = (most: number, channels: number): ((value: number) => number) => {
  const isWideGrey = channels === 1 && most > 255;
  const target = isWideGrey ? MOST_VALUE : 255;
  return (value) => Math.min(255, roundHalfEven((value / most) * target));
};

function bitmap(words: Words, kind: Kind, width: number, height: number): Uint8Array {
  const out = new Uint8Array(width * height);
  if (kind.isText) {
    for (let i = 0; i < out.length; i++) {
      const digit = words.digit();
      if (digit !== 48 && digit !== 49) throw new DamagedImageError('it holds something else than 0 and 1');
      out[i] = digit === 49 ? 0 : 255;
    }
    return out;
  }
  const pitch = Math.ceil(width / 8);
  const bits = words.rest(pitch * height);
  for (let i = 0; i < out.length; i++) {
    const x = i % width;
    const byte = bits[Math.floor(i / width) * pitch + (x >> 3)];
    out[i] = (byte >> (7 - (x & 7))) & 1 ? 0 : 255;
  }
  return out;
}

function numbers(words: Words, kind: Kind, count: number): Uint8Array {
  const most = words.whole('highest value', MOST_VALUE);
  if (most === 0) throw new DamagedImageError('its highest value is 0');
  const scale = scaled(most, kind.channels);
  const out = new Uint8Array(count);
  if (kind.isText) {
    for (let i = 0; i < count; i++) out[i] = scale(words.whole('pixel', most));
    return out;
  }
  const wide = most > 255;
  const raw = words.rest(count * (wide ? 2 : 1));
  for (let i = 0; i < count; i++) out[i] = scale(wide ? raw[i * 2] * 256 + raw[i * 2 + 1] : raw[i]);
  return out;
}

/** Grey numbers in floating point, last row first, clipped. */
function floats(words: Words, width: number, height: number): Uint8Array {
  const scale = Number(words.next());
  if (!Number.isFinite(scale) || scale === 0) throw new DamagedImageError('its scale is no number');
  const raw = words.rest(width * height * 4);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const out = new Uint8Array(width * height);
  for (let i = 0; i < out.length; i++) {
    const row = height - 1 - Math.floor(i / width);
    const value = view.getFloat32((row * width + (i % width)) * 4, scale < 0);
    out[i] = value >= 255 ? 255 : value > 0 ? Math.trunc(value) : 0;
  }
  return out;
}

/** @throws DamagedImageError */
export function decodeNetpbm(bytes: Uint8Array): RgbImage {
  const kind = kinds.get(magicOf(bytes));
  const words = new Words(bytes);
  const width = words.whole('width', MOST_VALUE);
  const height = words.whole('height', MOST_VALUE);
  // A pixel takes a bit at least: larger sizes are not in the file.
  if (width * height === 0 || width * height > bytes.length * 8)
    throw new DamagedImageError(`its size is ${width} × ${height}`);
  const channels = kind?.channels ?? 1;
  const values = !kind
    ? floats(words, width, height)
    : kind.isBitmap
      ? bitmap(words, kind, width, height)
      : numbers(words, kind, width * height * channels);
  if (channels === 3) return { width, height, data: values };
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = values[Math.trunc(i / 3)];
  return { width, height, data };
}
