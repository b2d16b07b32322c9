/**
 * From a decoded image to a network's input. A transform is plain data (it travels to decode threads and into a run's
 * record); `applyTransform` carries it out. Every result is size × size × 3 floats, channel last.
 */
import { SMALL_INPUT, usualResize } from '../../common/image-size.ts';
import { type AutomaticAugmentation, augmentAutomatically } from './augment/auto-augment.ts';
import { applyColorJitter, type ColorJitterSpec } from './augment/color-jitter.ts';
import { eraseRandomly, type RandomErasingSpec } from './augment/random-erasing.ts';
import { cropWithPadding, fitWholeImage, flipInPlace, randomResizedBox, resizeAndCentreCrop } from './geometry.ts';
import type { RgbImage } from './image.ts';
import { IMAGENET_NORMALISATION, type Normalisation, writeNormalised } from './normalise.ts';
import type { Random } from './random.ts';
import { resizeImage } from './resize.ts';
import type { Interpolation } from './resize-filters.ts';

/** Evaluation: `Resize(resize)`, `CenterCrop(size)`; or the whole image. */
export interface EvalTransform extends Normalisation {
  readonly kind: 'eval';
  /** Side of the result. */
  readonly size: number;
  /** The shorter side before the crop; 0 for no resizing. */
  readonly resize: number;
  readonly interpolation: Interpolation;
  /** The whole image in the square, neither resized to `resize` nor cropped. */
  readonly fit?: 'stretch' | 'letterbox';
}

/** What training adds to crop and flip, in this order; absent: nothing. */
export interface TrainAugmentation {
  readonly automatic?: AutomaticAugmentation;
  readonly colorJitter?: ColorJitterSpec;
  /** After the normalisation. */
  readonly erase?: RandomErasingSpec;
}

/** CIFAR training: black padding, random crop, flip. The image is first resized where its shorter side is not `size`. */
export interface PaddedCropTransform extends Normalisation, TrainAugmentation {
  readonly kind: 'padded-crop';
  readonly size: number;
  readonly padding: number;
  /** Probability of mirroring. */
  readonly flip: number;
  readonly interpolation: Interpolation;
}

/** ImageNet training: `RandomResizedCrop(size)`, flip. */
export interface ResizedCropTransform extends Normalisation, TrainAugmentation {
  readonly kind: 'resized-crop';
  readonly size: number;
  /** Area of the crop relative to the image's. */
  readonly scale: readonly [number, number];
  /** Width / height of the crop. */
  readonly ratio: readonly [number, number];
  readonly flip: number;
  readonly interpolation: Interpolation;
}

export type Transform = EvalTransform | PaddedCropTransform | ResizedCropTransform;
type TransformOf<K extends Transform['kind']> = Extract<Transform, { kind: K }>;

/** The evaluation transform for an input size: shorter side `resize`, which defaults to the usual one. */
export function evalTransform(
  size: number,
  options: Partial<Omit<EvalTransform, 'kind' | 'size'>> = {},
): EvalTransform {
  const resize = options.resize ?? usualResize(size);
  return { kind: 'eval', size, interpolation: 'bilinear', ...IMAGENET_NORMALISATION, ...options, resize };
}

/** The training transform customary for an input size: padded crop up to 64 pixels, random resized crop above. */
export function trainTransform(
  size: number,
  options: TrainAugmentation & Partial<Normalisation & Pick<ResizedCropTransform, 'interpolation' | 'flip'>> = {},
): PaddedCropTransform | ResizedCropTransform {
  const common = { size, flip: 0.5, interpolation: 'bilinear' as const, ...IMAGENET_NORMALISATION, ...options };
  return size <= SMALL_INPUT
    ? { kind: 'padded-crop', padding: Math.max(1, Math.round(size / 8)), ...common }
    : { kind: 'resized-crop', scale: [0.08, 1], ratio: [3 / 4, 4 / 3], ...common };
}

type Crop<K extends Transform['kind']> = (transform: TransformOf<K>, image: RgbImage, random: Random) => RgbImage;

/** The 8-bit part of each transform; the result belongs to the caller. */
const crops: { readonly [K in Transform['kind']]: Crop<K> } = {
  eval: (t, image) =>
    t.fit
      ? fitWholeImage(image, t.size, t.fit, t.interpolation)
      : resizeAndCentreCrop(image, t.resize, t.size, t.interpolation),
  'padded-crop': (t, image, random) => {
    const fits = Math.min(image.width, image.height) === t.size;
    const whole = fits ? image : resizeAndCentreCrop(image, t.size, t.size, t.interpolation);
    const left = random.int(whole.width + 2 * t.padding - t.size + 1) - t.padding;
    const top = random.int(whole.height + 2 * t.padding - t.size + 1) - t.padding;
    const cropped = cropWithPadding(whole, left, top, t.size, t.size);
    if (random.chance(t.flip)) flipInPlace(cropped);
    return cropped;
  },
  'resized-crop': (t, image, random) => {
    const source = randomResizedBox(image, t.scale, t.ratio, random);
    const cropped = resizeImage(image, { width: t.size, height: t.size, interpolation: t.interpolation, source });
    if (random.chance(t.flip)) flipInPlace(cropped);
    return cropped;
  },
};

function augment(transform: TrainAugmentation, image: RgbImage, random: Random): RgbImage {
  const { automatic, colorJitter } = transform;
  const augmented = automatic ? augmentAutomatically(automatic, image, random) : image;
  return colorJitter ? applyColorJitter(colorJitter, augmented, random) : augmented;
}

/** Crops, augments, normalises and writes size² × 3 floats at `offset`. */
export function applyTransform(
  transform: Transform,
  image: RgbImage,
  random: Random,
  out: Float32Array,
  offset: number,
): void {
  const crop = crops[transform.kind] as Crop<Transform['kind']>;
  const cropped = crop(transform as never, image, random);
  const isTraining = transform.kind !== 'eval';
  writeNormalised(isTraining ? augment(transform, cropped, random) : cropped, transform, out, offset);
  if (isTraining && transform.erase) eraseRandomly(transform.erase, out, offset, transform.size, random);
}
