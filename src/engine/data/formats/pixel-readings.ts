/** From what the general decoder (sharp) gives to the RGB bytes that Pillow's `convert('RGB')` gives, by kind of pixel. */
import type { Sharp } from 'sharp';

export interface RawPixels {
  readonly data: Buffer;
  readonly info: { readonly width: number; readonly height: number; readonly channels: number };
}

/** As they come; grey of 16 bits, clipped; four inks of 8 or 16 bits; colours multiplied by their alpha; luma and colour differences. */
export type PixelReading = 'plain' | 'clipped16' | 'cmyk' | 'cmyk16' | 'premultiplied' | 'ycbcr' | 'ycbcrOfLibtiff';

/** One to six channels a pixel; the first three are red, green and blue, or the first is grey. */
function fromPlain({ data, info }: RawPixels): Uint8Array {
  const { channels } = info;
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const pixels = info.width * info.height;
  const out = new Uint8Array(pixels * 3);
  const [green, blue] = channels >= 3 ? [1, 2] : [0, 0];
  for (let i = 0, from = 0, at = 0; i < pixels; i++, from += channels, at += 3) {
    out[at] = data[from];
    out[at + 1] = data[from + green];
    out[at + 2] = data[from + blue];
  }
  return out;
}

/** a · b / 255, rounded, in integers. */
function timesUnit(a: number, b: number): number {
  const t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/** Ink to light without a profile: (255 − k) − ink · (255 − k) / 255. `stride` bytes a sample, of which the last counts. */
function fromInks({ data, info }: RawPixels, stride: 1 | 2): Uint8Array {
  const pixels = info.width * info.height;
  const out = new Uint8Array(pixels * 3);
  const pixelBytes = info.channels * stride;
  for (let i = 0; i < pixels; i++) {
    const first = i * pixelBytes + stride - 1;
    const light = 255 - data[first + 3 * stride];
    for (let c = 0; c < 3; c++) out[i * 3 + c] = Math.max(0, light - timesUnit(data[first + c * stride], light));
  }
  return out;
}

/** Sixteen-bit grey is clipped to 255, not scaled: so does Pillow. */
function fromClipped16({ data, info }: RawPixels): Uint8Array {
  const pixels = info.width * info.height;
  const out = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const value = data.readUInt16LE(i * info.channels * 2);
    out.fill(Math.min(255, value), i * 3, i * 3 + 3);
  }
  return out;
}

/** Divided by the alpha, truncated; black where it is zero. */
function fromPremultiplied({ data, info }: RawPixels): Uint8Array {
  const pixels = info.width * info.height;
  const out = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const from = i * info.channels;
    const alpha = data[from + 3];
    for (let c = 0; c < 3 && alpha > 0; c++) out[i * 3 + c] = Math.min(255, Math.trunc((255 * data[from + c]) / alpha));
  }
  return out;
}

const clip = (value: number): number => Math.min(255, Math.max(0, value));

/** What each colour difference adds to red, green and blue, times 2^bits. */
interface ColourTables {
  readonly bits: number;
  readonly redCr: Int32Array;
  readonly greenCb: Int32Array;
  readonly greenCr: Int32Array;
  readonly blueCb: Int32Array;
}

function colourTables(bits: number, entry: (factor: number, difference: number) => number): ColourTables {
  const table = (factor: number): Int32Array => Int32Array.from({ length: 256 }, (_, i) => entry(factor, i - 128));
  const [redCr, greenCb, greenCr, blueCb] = [1.402, -0.34414, -0.71414, 1.772].map(table);
  return { bits, redCr, greenCb, greenCr, blueCb };
}

/** Pillow's: a factor and a difference in 1/64, rounded. */
const PILLOW_TABLES = colourTables(6, (factor, difference) => Math.trunc(factor * difference * 64 + 0.5));

/** libtiff's (tif_color.c), from the luma coefficients: factors in 1/65536, a half added to the sum. */
function libtiffTables(): ColourTables {
  const [red, green, blue] = [0.299, 0.587, 0.114].map(Math.fround);
  const fixed = (x: number): number => Math.trunc(x * 65536 + 0.5);
  const [redCr, blueCb] = [2 - 2 * red, 2 - 2 * blue];
  const [greenCr, greenCb] = [(red * redCr) / green, (blue * blueCb) / green];
  const table = (factor: number, half: number): Int32Array =>
    Int32Array.from({ length: 256 }, (_, i) => factor * (i - 128) + half);
  return {
    bits: 16,
    redCr: table(fixed(redCr), 32768),
    greenCb: table(-fixed(greenCb), 32768),
    greenCr: table(-fixed(greenCr), 0),
    blueCb: table(fixed(blueCb), 32768),
  };
}
const LIBTIFF_TABLES = libtiffTables();

/** JFIF's luma and colour differences, full range. */
function fromYCbCr({ data, info }: RawPixels, { bits, redCr, greenCb, greenCr, blueCb }: ColourTables): Uint8Array {
  const pixels = info.width * info.height;
  const out = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const [y, cb, cr] = data.subarray(i * info.channels, i * info.channels + 3);
    out[i * 3] = clip(y + (redCr[cr] >> bits));
    out[i * 3 + 1] = clip(y + ((greenCb[cb] + greenCr[cr]) >> bits));
    out[i * 3 + 2] = clip(y + (blueCb[cb] >> bits));
  }
  return out;
}

const asInks = (image: Sharp): Sharp => image.pipelineColourspace('cmyk').toColourspace('cmyk');

export const pixelReadings: {
  readonly [K in PixelReading]: {
    readonly prepare: (image: Sharp) => Sharp;
    readonly toRgb: (raw: RawPixels) => Uint8Array;
  };
} = {
  plain: { prepare: (image) => image.raw(), toRgb: fromPlain },
  clipped16: { prepare: (image) => image.toColourspace('grey16').raw({ depth: 'ushort' }), toRgb: fromClipped16 },
  cmyk: { prepare: (image) => asInks(image).raw(), toRgb: (raw) => fromInks(raw, 1) },
  cmyk16: { prepare: (image) => asInks(image).raw({ depth: 'ushort' }), toRgb: (raw) => fromInks(raw, 2) },
  premultiplied: { prepare: (image) => image.raw(), toRgb: fromPremultiplied },
  ycbcr: { prepare: (image) => image.raw(), toRgb: (raw) => fromYCbCr(raw, PILLOW_TABLES) },
  ycbcrOfLibtiff: { prepare: (image) => image.raw(), toRgb: (raw) => fromYCbCr(raw, LIBTIFF_TABLES) },
};
