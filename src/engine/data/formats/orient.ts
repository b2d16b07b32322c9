/** EXIF's eight orientations. */
import type { RgbImage } from '../image.ts';

/** Turned or mirrored so that it is upright; 1 and what is no orientation leave it alone. */
export function orientImage(image: RgbImage, orientation: number): RgbImage {
  if (!(orientation >= 2 && orientation <= 8)) return image;
  const { width, height, data } = image;
  const swaps = orientation >= 5;
  const [outWidth, outHeight] = swaps ? [height, width] : [width, height];
  const mirrorsX = [2, 3, 7, 8].includes(orientation);
  const mirrorsY = [3, 4, 6, 7].includes(orientation);
  const out = new Uint8Array(data.length);
  for (let y = 0, at = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++, at += 3) {
      const [column, row] = swaps ? [y, x] : [x, y];
      const from = ((mirrorsY ? height - 1 - row : row) * width + (mirrorsX ? width - 1 - column : column)) * 3;
      for (let c = 0; c < 3; c++) out[at + c] = data[from + c];
    }
  }
  return { width: outWidth, height: outHeight, data: out };
}
