/** What Pillow makes of a GIF's transparent colour: the colour itself. */

const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
const HAS_TRANSPARENT_COLOUR = 1;
const HAS_COLOUR_TABLE = 0x80;
const FIRST_BLOCK = 13;

export const isGif = (bytes: Uint8Array): boolean =>
  ['GIF87a', 'GIF89a'].includes(String.fromCharCode(...bytes.subarray(0, 6)));

/** A copy of the file whose first frame has no transparent colour; the file itself where it has none. */
export function withoutTransparentColour(bytes: Uint8Array): Uint8Array {
  const flags = bytes[10];
  let at = FIRST_BLOCK + (flags & HAS_COLOUR_TABLE ? 3 * 2 ** ((flags & 7) + 1) : 0);
  while (bytes[at] === EXTENSION) {
    if (bytes[at + 1] === GRAPHIC_CONTROL && bytes[at + 3] & HAS_TRANSPARENT_COLOUR) {
      const copy = Uint8Array.from(bytes);
      copy[at + 3] &= ~HAS_TRANSPARENT_COLOUR;
      return copy;
    }
    at += 2;
    while (bytes[at]) at += bytes[at] + 1;
    at += 1;
  }
  return bytes;
}
