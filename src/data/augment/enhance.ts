/** Pillow's `ImageEnhance`: a blend between a degenerate image and the image; factor 1 is the image itself. */
import type { RgbImage } from '../image.ts';

const like = (image: RgbImage, data: Uint8Array): RgbImage => ({ width: image.width, height: image.height, data });

/** Pillow's luma of one pixel (ITU-R 601 in 16-bit fixed point). */
const luma = (r: number, g: number, b: number): number => (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;

/**
 * Pillow's `blend` of two bytes, in single precision: truncated; clipped where the factor extrapolates.
 * A table over (degenerate, value) would be 64 K entries per factor, so it is computed.
 */
function blendInto(degenerate: Uint8Array, image: Uint8Array, factor: number, out: Uint8Array): void {
  const { fround } = Math;
  const alpha = fround(factor);
  for (let i = 0; i < out.length; i++) {
    const from = degenerate[i];
    const value = fround(from + fround(alpha * (image[i] - from)));
    out[i] = value <= 0 ? 0 : Math.min(value, 255); // storing truncates
  }
}

function enhanced(image: RgbImage, factor: number, degenerate: () => Uint8Array): RgbImage {
  if (factor === 1) return image;
  const out = new Uint8Array(image.data.length);
  blendInto(degenerate(), image.data, factor, out);
  return like(image, out);
}

/** Towards black below 1. */
export const adjustBrightness = (image: RgbImage, factor: number): RgbImage =>
  enhanced(image, factor, () => new Uint8Array(image.data.length));

function greyed({ data }: RgbImage): Uint8Array {
  const grey = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) grey.fill(luma(data[i], data[i + 1], data[i + 2]), i, i + 3);
  return grey;
}

/** Saturation: towards grey below 1. */
export const adjustColor = (image: RgbImage, factor: number): RgbImage => enhanced(image, factor, () => greyed(image));

function meanGrey({ data }: RgbImage): Uint8Array {
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) sum += luma(data[i], data[i + 1], data[i + 2]);
  return new Uint8Array(data.length).fill(Math.trunc(sum / (data.length / 3) + 0.5));
}

/** Contrast: towards the mean grey below 1. */
export const adjustContrast = (image: RgbImage, factor: number): RgbImage =>
  enhanced(image, factor, () => meanGrey(image));

/** Pillow's `SMOOTH`: 3 × 3, (1 1 1; 1 5 1; 1 1 1) / 13 in single precision, rounded; the border stays. */
function smoothed({ width, height, data }: RgbImage): Uint8Array {
  const out = data.slice();
  const { fround } = Math;
  const side = fround(1 / 13);
  const middle = fround(5 / 13);
  const pitch = width * 3;
  const threeTaps = (i: number, centre: number): number =>
    fround(fround(fround(data[i - 3] * side) + fround(data[i] * centre)) + fround(data[i + 3] * side));
  for (let y = 1; y < height - 1; y++) {
    const end = (y + 1) * pitch - 3;
    for (let i = y * pitch + 3; i < end; i++) {
      let sum = fround(0.5 + threeTaps(i + pitch, side));
      sum = fround(sum + threeTaps(i, middle));
      sum = fround(sum + threeTaps(i - pitch, side));
      out[i] = Math.min(sum, 255);
    }
  }
  return out;
}

/** Sharpness: towards a smoothed image below 1. */
export const adjustSharpness = (image: RgbImage, factor: number): RgbImage =>
  enhanced(image, factor, () => smoothed(image));
