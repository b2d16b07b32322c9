/**
 * Decoding to the pixels that Pillow's `Image.open(file).convert('RGB')` gives, byte for byte (semantics.md, "Pixels"):
 * embedded colour profiles and EXIF orientation ignored, transparency dropped, grey repeated.
 */
import { readFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import type { RgbImage } from './image.ts';
import { type ImageHeader, readImageHeader } from './image-header.ts';
import { decodeJpeg } from './jpeg/decode.ts';

/** A file that could not be read as an image: the loader names and skips it. */
export class UnreadableImageError extends Error {
  override readonly name = 'UnreadableImageError';
  readonly file: string;
  readonly reason: string;

  constructor(file: string, reason: string) {
    super(`${file} cannot be read as an image: ${reason}`);
    this.file = file;
    this.reason = reason;
  }
}

interface RawPixels {
  readonly data: Buffer;
  readonly info: { readonly width: number; readonly height: number; readonly channels: number };
}

/** One to four channels per pixel; the first three are red, green and blue, or the first is grey. */
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

/** Ink to light without a profile: (255 − k) − ink · (255 − k) / 255. */
function fromCmyk({ data, info }: RawPixels): Uint8Array {
  const pixels = info.width * info.height;
  const out = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const light = 255 - data[i * 4 + 3];
    for (let c = 0; c < 3; c++) out[i * 3 + c] = Math.max(0, light - timesUnit(data[i * 4 + c], light));
  }
  return out;
}

/** Sixteen-bit grey is clipped to 255, not scaled: so does Pillow. */
function fromGrey16({ data, info }: RawPixels): Uint8Array {
  const pixels = info.width * info.height;
  const out = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const value = data.readUInt16LE(i * info.channels * 2);
    out.fill(Math.min(255, value), i * 3, i * 3 + 3);
  }
  return out;
}

type Reading = {
  readonly prepare: (image: Sharp) => Sharp;
  readonly toRgb: (raw: RawPixels) => Uint8Array;
};

const readings: { readonly [K in ImageHeader['pixels']]: Reading } = {
  plain: { prepare: (image) => image.raw(), toRgb: fromPlain },
  cmyk: { prepare: (image) => image.pipelineColourspace('cmyk').toColourspace('cmyk').raw(), toRgb: fromCmyk },
  grey16: { prepare: (image) => image.toColourspace('grey16').raw({ depth: 'ushort' }), toRgb: fromGrey16 },
};

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).trim().split('\n')[0];

/** Decodes the bytes of an image file. `name` is for the message. Throws UnreadableImageError. */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<RgbImage> {
  const header = readImageHeader(bytes);
  if (!header) {
    const what = bytes.length === 0 ? 'the file is empty' : 'its contents are no JPEG, PNG, WebP or TIFF';
    throw new UnreadableImageError(name, what);
  }
  const photograph = header.format === 'jpeg' && header.pixels === 'plain' ? decodeJpeg(bytes) : undefined;
  if (photograph) return photograph;
  const reading = readings[header.pixels];
  try {
    // Warnings of the decoder (stray bytes between segments) are no failure; truncated data is.
    const source = sharp(bytes, { ignoreIcc: true, failOn: 'error', sequentialRead: true });
    const raw = await reading.prepare(source).toBuffer({ resolveWithObject: true });
    return { width: raw.info.width, height: raw.info.height, data: reading.toRgb(raw) };
  } catch (error) {
    throw new UnreadableImageError(name, firstLine(error));
  }
}

/** Reads and decodes a file. Throws UnreadableImageError, for a file that cannot be opened too. */
export async function decodeFile(file: string): Promise<RgbImage> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new UnreadableImageError(file, firstLine(error));
  }
  return decodeImage(bytes, file);
}
