/** The operations of the automatic augmentations, as torchvision's `_apply_op` carries them out on Pillow images. */
import type { RgbImage } from '../image.ts';
import { type AffineInterpolation, type AffineMatrix, affineTransform, rotationMatrix, shearMatrix } from './affine.ts';
import { adjustBrightness, adjustColor, adjustContrast, adjustSharpness } from './enhance.ts';
import { autoContrast, equalize, invert, posterize, solarize } from './lookup.ts';

const OPERATIONS = [
  'Identity',
  'ShearX',
  'ShearY',
  'TranslateX',
  'TranslateY',
  'Rotate',
  'Brightness',
  'Color',
  'Contrast',
  'Sharpness',
  'Posterize',
  'Solarize',
  'AutoContrast',
  'Equalize',
  'Invert',
] as const;
export type OperationName = (typeof OPERATIONS)[number];

type Operation = (image: RgbImage, magnitude: number, interpolation: AffineInterpolation) => RgbImage;

/** Degrees and back, as torchvision goes: the angle is handed over in degrees. */
const throughDegrees = (radians: number): number => radians * (180 / Math.PI) * (Math.PI / 180);

const moved =
  (matrix: (image: RgbImage, magnitude: number) => AffineMatrix): Operation =>
  (image, magnitude, interpolation) =>
    affineTransform(image, matrix(image, magnitude), interpolation);

const centreOf = ({ width, height }: RgbImage): [number, number] => [width * 0.5, height * 0.5];

const rotate: Operation = (image, magnitude, interpolation) => {
  const degrees = ((magnitude % 360) + 360) % 360;
  if (degrees === 0) return image;
  return affineTransform(image, rotationMatrix(degrees, image.width, image.height), interpolation);
};

const operations: { readonly [K in OperationName]: Operation } = {
  Identity: (image) => image,
  ShearX: moved((_, slope) => shearMatrix([throughDegrees(Math.atan(slope)), 0], [0, 0], [0, 0])),
  ShearY: moved((_, slope) => shearMatrix([0, throughDegrees(Math.atan(slope))], [0, 0], [0, 0])),
  TranslateX: moved((image, pixels) => shearMatrix([0, 0], [Math.trunc(pixels), 0], centreOf(image))),
  TranslateY: moved((image, pixels) => shearMatrix([0, 0], [0, Math.trunc(pixels)], centreOf(image))),
  Rotate: rotate,
  Brightness: (image, magnitude) => adjustBrightness(image, 1 + magnitude),
  Color: (image, magnitude) => adjustColor(image, 1 + magnitude),
  Contrast: (image, magnitude) => adjustContrast(image, 1 + magnitude),
  Sharpness: (image, magnitude) => adjustSharpness(image, 1 + magnitude),
  Posterize: (image, bits) => posterize(image, Math.trunc(bits)),
  Solarize: (image, threshold) => solarize(image, threshold),
  AutoContrast: (image) => autoContrast(image),
  Equalize: (image) => equalize(image),
  Invert: (image) => invert(image),
};

/** The image after one operation; the given one is not changed (it may be handed back). */
export function applyOperation(
  image: RgbImage,
  name: OperationName,
  magnitude: number,
  interpolation: AffineInterpolation,
): RgbImage {
  return operations[name](image, magnitude, interpolation);
}
