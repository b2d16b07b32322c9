/** Masks of a segmentation folder: one class number a pixel, in an image of the same name under `masks/` in place of `images/`. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import { decodeImage, UnreadableImageError } from './decode.ts';
import type { RgbImage } from './image.ts';

/** Where the mask of an image lies; undefined where the folder has none beside `images`. */
export function maskFile(image: string): string | undefined {
  const parts = image.split(path.sep);
  const at = parts.lastIndexOf('images');
  if (at < 0) return undefined;
  parts[at] = 'masks';
  const moved = parts.join(path.sep);
  const stem = moved.slice(0, moved.length - path.extname(moved).length);
  return [`${stem}.png`, `${stem}.bmp`, `${stem}.tif`, `${stem}.gif`].find((file) => existsSync(file));
}

/** The colours of a palette PNG in their order, as 0xRRGGBB; undefined where it has no palette. */
function paletteOf(bytes: Buffer): ReadonlyMap<number, number> | undefined {
  const isPng = bytes.subarray(1, 4).toString('latin1') === 'PNG';
  // Colour type 3 in the header, which comes first.
  if (!isPng || bytes[25] !== 3) return undefined;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    if (bytes.subarray(at + 4, at + 8).toString('latin1') !== 'PLTE') {
      at += length + 12;
      continue;
    }
    const colours = new Map<number, number>();
    const entries = bytes.subarray(at + 8, at + 8 + length);
    for (let i = 0; 3 * i + 2 < entries.length; i++) {
      const colour = entries.readUIntBE(3 * i, 3);
      // Of two entries of one colour the first is meant: no pixel tells them apart.
      if (!colours.has(colour)) colours.set(colour, i);
    }
    return colours;
  }
  return undefined;
}

export interface Mask {
  readonly width: number;
  readonly height: number;
  /** One class a pixel. */
  readonly data: Uint8Array;
}

/**
 * Palette images give the palette's index, grey ones their value; anything else is refused.
 * @throws UserError naming the file
 */
export async function readMask(file: string): Promise<Mask> {
  let image: RgbImage;
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
    image = await decodeImage(bytes, file);
  } catch (error) {
    if (error instanceof UnreadableImageError) throw new UserError(error.message);
    throw new UserError(`${file} cannot be read: ${(error as Error).message}`);
  }
  const palette = paletteOf(bytes);
  const { width, height, data: pixels } = image;
  const data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) {
    const [r, g, b] = [pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]];
    const index = palette ? palette.get((r << 16) | (g << 8) | b) : r === g && g === b ? r : undefined;
    if (index === undefined)
      throw new UserError(
        `${file} is a colour image: a mask has one class number a pixel, as a palette or in shades of grey.`,
      );
    data[i] = index;
  }
  return { width, height, data };
}

/** The mask at another size, each pixel the nearest one's (PyTorch's `nearest-exact`); `box` is where it lies in the result. */
export function placeMask(
  mask: Mask,
  size: { readonly width: number; readonly height: number },
  box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
  outside: number,
): Uint8Array {
  const out = new Uint8Array(size.width * size.height).fill(outside);
  const from = (at: number, start: number, length: number, source: number): number =>
    Math.floor(((at + 0.5 - start) * source) / length);
  for (let y = 0; y < size.height; y++) {
    const row = from(y, box.top, box.height, mask.height);
    if (row < 0 || row >= mask.height) continue;
    for (let x = 0; x < size.width; x++) {
      const column = from(x, box.left, box.width, mask.width);
      if (column >= 0 && column < mask.width) out[y * size.width + x] = mask.data[row * mask.width + column];
    }
  }
  return out;
}
