/**
 * Decoding to the pixels that Pillow's `Image.open(file).convert('RGB')` gives, byte for byte (semantics.md, "Pixels"):
 * embedded colour profiles and EXIF orientation (but a TIFF's) ignored, transparency dropped, grey repeated.
 */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { decodeBmp } from './formats/bmp.ts';
import { DamagedImageError } from './formats/damaged.ts';
import { withoutTransparentColour } from './formats/gif.ts';
import { decodeNetpbm } from './formats/netpbm.ts';
import { orientImage } from './formats/orient.ts';
import { type PixelReading, pixelReadings } from './formats/pixel-readings.ts';
import { tiffReading } from './formats/tiff.ts';
import type { RgbImage } from './image.ts';
import { type ImageFormat, imageFormat, isGrey16Png, jpegComponents } from './image-header.ts';

/** Pillow refuses images of more pixels (twice `Image.MAX_IMAGE_PIXELS`) as decompression bombs. */
const MOST_PIXELS = 2 * Math.floor(2 ** 30 / 4 / 3);
const FORMAT_NAMES = 'JPEG, PNG, WebP, GIF, TIFF, BMP, PBM, PGM, PPM';

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

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).trim().split('\n')[0];

/** By sharp: libjpeg gives Pillow's bytes for every sampling, coding and size. Warnings (stray bytes between segments) are no failure; truncated data is. */
async function decodeWithSharp(bytes: Uint8Array, reading: PixelReading): Promise<RgbImage> {
  const { prepare, toRgb } = pixelReadings[reading];
  const image = prepare(sharp(bytes, { ignoreIcc: true, failOn: 'error', limitInputPixels: MOST_PIXELS }));
  const raw = await image.toBuffer({ resolveWithObject: true });
  return { width: raw.info.width, height: raw.info.height, data: toRgb(raw) };
}

async function decodeTiff(bytes: Uint8Array): Promise<RgbImage> {
  const found = tiffReading(bytes);
  if (typeof found === 'string') throw new DamagedImageError(found);
  return orientImage(await decodeWithSharp(found.bytes, found.reading), found.orientation);
}

const decoders: { readonly [K in ImageFormat]: (bytes: Uint8Array) => RgbImage | Promise<RgbImage> } = {
  jpeg: (bytes) => decodeWithSharp(bytes, jpegComponents(bytes) === 4 ? 'cmyk' : 'plain'),
  png: (bytes) => decodeWithSharp(bytes, isGrey16Png(bytes) ? 'clipped16' : 'plain'),
  webp: (bytes) => decodeWithSharp(bytes, 'plain'),
  gif: (bytes) => decodeWithSharp(withoutTransparentColour(bytes), 'plain'),
  tiff: decodeTiff,
  bmp: decodeBmp,
  netpbm: decodeNetpbm,
};

/** Decodes the bytes of an image file. `name` is for the message. Throws UnreadableImageError. */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<RgbImage> {
  const format = imageFormat(bytes);
  if (!format) {
    const what = bytes.length === 0 ? 'the file is empty' : `its contents are none of ${FORMAT_NAMES}`;
    throw new UnreadableImageError(name, what);
  }
  try {
    return await decoders[format](bytes);
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
