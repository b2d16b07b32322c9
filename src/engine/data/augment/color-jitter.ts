/** torchvision's `ColorJitter` on Pillow images: four adjustments in random order, each by a random factor. */
import type { RgbImage } from '../image.ts';
import type { Random } from '../random.ts';
import { adjustBrightness, adjustColor, adjustContrast } from './enhance.ts';
import { adjustHue } from './hue.ts';

/** Half-widths of the factors: brightness b gives [max(0, 1 − b), 1 + b], hue h gives [−h, h] (h ≤ ½). */
export interface ColorJitterSpec {
  readonly brightness?: number;
  readonly contrast?: number;
  readonly saturation?: number;
  readonly hue?: number;
}

/** One number for brightness, contrast and saturation, as `--color-jitter` means it. */
export const colorJitter = (strength: number): ColorJitterSpec => ({
  brightness: strength,
  contrast: strength,
  saturation: strength,
});

type Adjust = (image: RgbImage, factor: number) => RgbImage;

const adjustments: readonly (readonly [keyof ColorJitterSpec, Adjust])[] = [
  ['brightness', adjustBrightness],
  ['contrast', adjustContrast],
  ['saturation', adjustColor],
  ['hue', adjustHue],
];

/** The jittered image; the given one is not changed. */
export function applyColorJitter(spec: ColorJitterSpec, image: RgbImage, random: Random): RgbImage {
  const order = random.shuffle([0, 1, 2, 3]);
  const factors = adjustments.map(([name]) => {
    const width = spec[name] ?? 0;
    return name === 'hue' ? random.uniform(-width, width) : random.uniform(Math.max(0, 1 - width), 1 + width);
  });
  let result = image;
  for (const i of order) {
    const [name, adjust] = adjustments[i];
    if ((spec[name] ?? 0) > 0) result = adjust(result, factors[i]);
  }
  return result;
}
