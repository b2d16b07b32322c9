/** How well an accuracy is known from the images that it was measured on. */

/** Two-sided 95 %, in standard deviations. */
const Z = 1.96;

/**
 * Half the width of the 95 % interval of a share that was counted on so many images: Wilson's score interval (1927), which stays
 * right near 0 and 1 and on few images. 0 where nothing was counted.
 */
export function accuracyMargin(share: number, images: number): number {
  if (!(images > 0)) return 0;
  const spread = (share * (1 - share)) / images + Z ** 2 / (4 * images ** 2);
  return (Z * Math.sqrt(spread)) / (1 + Z ** 2 / images);
}

/** `76.4 ± 1.9 %`. */
export function formatAccuracy(share: number, images: number, digits = 1): string {
  const percent = (value: number): string => (100 * value).toFixed(digits);
  return `${percent(share)} ± ${percent(accuracyMargin(share, images))} %`;
}

/** Top-1 with the classes left out that no image is of. */
export interface AccuracyAmong {
  readonly classes: number;
  readonly top1: number;
}

/** `, 97.70 ± 0.94 % among the 10 classes that have a folder`; empty where all classes have one. */
export const formatAmong = (among: AccuracyAmong | undefined, images: number, digits = 1): string =>
  among ? `, ${formatAccuracy(among.top1, images, digits)} among the ${among.classes} classes that have a folder` : '';
