/** What the first bytes of an image file say: its format (whatever its name says), and the pixel formats that need care. */
import { isBmp } from './formats/bmp.ts';
import { isGif } from './formats/gif.ts';
import { isNetpbm } from './formats/netpbm.ts';
import { isTiff } from './formats/tiff-tags.ts';

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'bmp' | 'netpbm';

const ascii = (bytes: Uint8Array, from: number, text: string): boolean =>
  bytes.length >= from + text.length && [...text].every((c, i) => bytes[from + i] === c.charCodeAt(0));

/** Whether these bytes begin a file of the format; as Pillow's own checks. */
const signatures: { readonly [K in ImageFormat]: (bytes: Uint8Array) => boolean } = {
  jpeg: (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff,
  png: (bytes) => bytes[0] === 0x89 && ascii(bytes, 1, 'PNG\r\n\x1a\n'),
  webp: (bytes) => ascii(bytes, 0, 'RIFF') && ascii(bytes, 8, 'WEBP'),
  gif: isGif,
  tiff: isTiff,
  bmp: isBmp,
  netpbm: isNetpbm,
};

/** The format by contents, or undefined where the bytes are no image that can be decoded here (a text file named .jpg, say). */
export const imageFormat = (bytes: Uint8Array): ImageFormat | undefined =>
  (Object.keys(signatures) as ImageFormat[]).find((format) => signatures[format](bytes));

/** Components of a JPEG's frame, 0 where no frame header is found. */
export function jpegComponents(bytes: Uint8Array): number {
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) return 0;
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1; // fill byte
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return bytes[at + 9];
    at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
  }
  return 0;
}

/** Whether a PNG holds grey of 16 bits. */
export const isGrey16Png = (bytes: Uint8Array): boolean => bytes[24] === 16 && bytes[25] === 0;

/** File name extensions that torchvision's ImageFolder takes, lower case. What they hold is told by contents. */
export const IMAGE_EXTENSIONS: readonly string[] = [
  '.jpg',
  '.jpeg',
  '.png',
  '.ppm',
  '.bmp',
  '.pgm',
  '.tif',
  '.tiff',
  '.webp',
];
