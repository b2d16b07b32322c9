/** torchvision's `adjust_hue` on Pillow: through Pillow's 8-bit HSV, in the single and double precision that it uses. */
import type { RgbImage } from '../image.ts';

const { fround } = Math;

/** Hue of a pixel, 0 … 255, and its saturation. */
function hueAndSaturation(r: number, g: number, b: number, high: number, low: number): [number, number] {
  if (high === low) return [0, 0];
  const range = high - low;
  const rc = fround((high - r) / range);
  const gc = fround((high - g) / range);
  const bc = fround((high - b) / range);
  const h = r === high ? fround(bc - gc) : g === high ? fround(2 + rc - bc) : fround(4 + gc - rc);
  const turn = fround((h / 6 + 1) % 1);
  return [Math.trunc(turn * 255), Math.trunc(fround(range / high) * 255)];
}

/** Half away from zero, as C's `round`. */
const roundPositive = (x: number): number => Math.floor(x + 0.5);

/** Which of value, p, q, t each sextant gives to red, green and blue. */
const SEXTANTS = [
  [0, 3, 1],
  [2, 0, 1],
  [1, 0, 3],
  [1, 2, 0],
  [3, 1, 0],
  [0, 1, 2],
] as const;

/** Turns the hue by `factor` (−½ … ½) of a circle. */
export function adjustHue(image: RgbImage, factor: number): RgbImage {
  const shift = Math.trunc(factor * 255) & 255;
  const { data } = image;
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
    const value = Math.max(r, g, b);
    const [hue, saturation] = hueAndSaturation(r, g, b, value, Math.min(r, g, b));
    if (saturation === 0) {
      out.fill(value, i, i + 3);
      continue;
    }
    const sixth = fround((((hue + shift) & 255) * 6) / 255);
    const sextant = Math.floor(sixth);
    const f = fround(sixth - sextant);
    const fs = fround(saturation / 255);
    const parts = [
      value,
      roundPositive(value * (1 - fs)),
      roundPositive(value * (1 - fs * f)),
      roundPositive(value * (1 - fs * (1 - f))),
    ];
    const order = SEXTANTS[sextant % 6];
    for (let c = 0; c < 3; c++) out[i + c] = Math.min(255, parts[order[c]]);
  }
  return { width: image.width, height: image.height, data: out };
}
