/** What the first bytes of an image file say: enough to refuse what is not an image, and to know the pixel formats that need care. */

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'tiff';

export interface ImageHeader {
  readonly format: ImageFormat;
  /** How the pixels must be read: as they come, four inks, or 16-bit grey. */
  readonly pixels: 'plain' | 'cmyk' | 'grey16';
}

const ascii = (bytes: Uint8Array, from: number, text: string): boolean =>
  bytes.length >= from + text.length && [...text].every((c, i) => bytes[from + i] === c.charCodeAt(0));

/** Components of a JPEG's frame, 0 where no frame header is found. */
function jpegComponents(bytes: Uint8Array): number {
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

/** The header, or undefined where the bytes are no image that can be decoded here (a text file named .jpg, say). */
export function readImageHeader(bytes: Uint8Array): ImageHeader | undefined {
  // As Pillow: a marker must follow at once.
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) {
    return { format: 'jpeg', pixels: jpegComponents(bytes) === 4 ? 'cmyk' : 'plain' };
  }
  if (bytes[0] === 0x89 && ascii(bytes, 1, 'PNG\r\n\x1a\n')) {
    const grey16 = bytes[24] === 16 && bytes[25] === 0;
    return { format: 'png', pixels: grey16 ? 'grey16' : 'plain' };
  }
  if (ascii(bytes, 0, 'RIFF') && ascii(bytes, 8, 'WEBP')) return { format: 'webp', pixels: 'plain' };
  if (ascii(bytes, 0, 'II*\0') || ascii(bytes, 0, 'MM\0*')) return { format: 'tiff', pixels: 'plain' };
  return undefined;
}

/** File name extensions of the formats above, lower case. */
export const IMAGE_EXTENSIONS: readonly string[] = ['.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff'];
