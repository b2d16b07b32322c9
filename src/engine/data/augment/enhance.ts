/** Pillow's `ImageEnhance`: a blend between a degenerate image and the image; factor 1 is the image itself. */
import type { RgbImage } from '../image.ts';

const like = (image: RgbImage, data: Uint8Array): RgbImage => ({ width: image.width, height: image.height, data });

/** Pillow's luma of one pixel (ITU-R 601 in 16-bit fixed point). */
const luma = (r: number, g: number, b: number): number => (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;

/**
 * Pillow's `blend` of two bytes, in single precision: truncated, and clipped where the factor extrapolates. `alpha` is the
 * factor in single precision; storing the result truncates it.
 */
function blend(degenerate: number, value: number, alpha: number): number {
  const blended = Math.fround(degenerate + Math.fround(alpha * (value - degenerate)));
  return blended <= 0 ? 0 : Math.min(blended, 255);
}

/** A blend with one value everywhere is a table. */
function blendWithConstant(image: RgbImage, degenerate: number, factor: number): RgbImage {
  const alpha = Math.fround(factor);
  const table = Uint8Array.from({ length: 256 }, (_, value) => blend(degenerate, value, alpha));
  return like(image, mapped(image.data, table));
}

function mapped(data: Uint8Array, table: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = table[data[i]];
  return out;
}

/** Towards black below 1. */
export const adjustBrightness = (image: RgbImage, factor: number): RgbImage =>
  factor === 1 ? image : blendWithConstant(image, 0, factor);

/** Saturation: towards grey below 1. */
export function adjustColor(image: RgbImage, factor: number): RgbImage {
  if (factor === 1) return image;
  const { data } = image;
  const alpha = Math.fround(factor);
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const grey = luma(data[i], data[i + 1], data[i + 2]);
    out[i] = blend(grey, data[i], alpha);
    out[i + 1] = blend(grey, data[i + 1], alpha);
    out[i + 2] = blend(grey, data[i + 2], alpha);
  }
  return like(image, out);
}

function meanGrey({ data }: RgbImage): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) sum += luma(data[i], data[i + 1], data[i + 2]);
  return Math.trunc(sum / (data.length / 3) + 0.5);
}

/** Contrast: towards the mean grey below 1. */
export const adjustContrast = (image: RgbImage, factor: number): RgbImage =>
  factor === 1 ? image : blendWithConstant(image, meanGrey(image), factor);

const SIDE = Math.fround(1 / 13);
const MIDDLE = Math.fround(5 / 13);
const sideOf = Float32Array.from({ length: 256 }, (_, v) => v * SIDE);
const middleOf = Float32Array.from({ length: 256 }, (_, v) => v * MIDDLE);

/** Per byte of a row: left + centre + right, weighted as an outer row of the kernel and as its middle row. */
function rowSums(data: Uint8Array, from: number, to: number, outer: Float32Array, middle: Float32Array): void {
  const { fround } = Math;
  for (let i = from + 3, at = 3; i < to - 3; i++, at++) {
    const left = sideOf[data[i - 3]];
    const right = sideOf[data[i + 3]];
    outer[at] = fround(left + sideOf[data[i]]) + right;
    middle[at] = fround(left + middleOf[data[i]]) + right;
  }
}

/** Pillow's `SMOOTH`: 3 × 3, (1 1 1; 1 5 1; 1 1 1) / 13 in single precision, rounded; the border stays. */
function smoothed({ width, height, data }: RgbImage): Uint8Array {
  const { fround } = Math;
  const out = data.slice();
  const pitch = width * 3;
  const rows = Array.from({ length: 3 }, () => ({ outer: new Float32Array(pitch), middle: new Float32Array(pitch) }));
  const read = (y: number) => rowSums(data, y * pitch, (y + 1) * pitch, rows[y % 3].outer, rows[y % 3].middle);
  if (height > 2) {
    read(0);
    read(1);
  }
  for (let y = 1; y < height - 1; y++) {
    read(y + 1);
    const above = rows[(y - 1) % 3].outer;
    const { middle } = rows[y % 3];
    const below = rows[(y + 1) % 3].outer;
    for (let x = 3, at = y * pitch + 3; x < pitch - 3; x++, at++) {
      // Pillow adds from below, beginning with the half that rounds.
      out[at] = Math.min(255, fround(fround(fround(0.5 + below[x]) + middle[x]) + above[x]));
    }
  }
  return out;
}

/** Sharpness: towards a smoothed image below 1. */
export function adjustSharpness(image: RgbImage, factor: number): RgbImage {
  if (factor === 1) return image;
  const { data } = image;
  const alpha = Math.fround(factor);
  const smooth = smoothed(image);
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = blend(smooth[i], data[i], alpha);
  return like(image, out);
}
