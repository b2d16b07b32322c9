/** How strong the operations of each automatic augmentation are: magnitudes by bin, as torchvision's `_augmentation_space`. */
import { roundHalfEven } from '../geometry.ts';
import type { Random } from '../random.ts';
import type { OperationName } from './image-operations.ts';

/** Magnitudes of one operation; an operation without any takes 0. */
export interface Strength {
  readonly magnitudes: readonly number[];
  /** Half of the time negated. */
  readonly signed: boolean;
}

export type Space = ReadonlyMap<OperationName, Strength>;

/** `torch.linspace`: evenly spaced, counted from the nearer end, each value rounded once to single precision. */
export function linspace(from: number, to: number, bins: number): number[] {
  const { fround } = Math;
  const first = fround(from);
  const last = fround(to);
  const step = fround(fround(last - first) / (bins - 1));
  const half = Math.floor(bins / 2);
  return Array.from({ length: bins }, (_, i) => fround(i < half ? first + step * i : last - step * (bins - i - 1)));
}

const signed = (to: number, bins: number): Strength => ({ magnitudes: linspace(0, to, bins), signed: true });
const plain: Strength = { magnitudes: [], signed: false };

/** Bits kept: from `most` down, by `drop` over all bins. */
const bits = (most: number, drop: number, bins: number): Strength => ({
  magnitudes: Array.from({ length: bins }, (_, i) => most - roundHalfEven((i / (bins - 1)) * drop)),
  signed: false,
});

interface Extent {
  readonly shear: number;
  readonly translate: readonly [number, number];
  readonly rotate: number;
  readonly colour: number;
  readonly posterize: Strength;
}

function geometricAndTones(extent: Extent, bins: number): [OperationName, Strength][] {
  return [
    ['ShearX', signed(extent.shear, bins)],
    ['ShearY', signed(extent.shear, bins)],
    ['TranslateX', signed(extent.translate[0], bins)],
    ['TranslateY', signed(extent.translate[1], bins)],
    ['Rotate', signed(extent.rotate, bins)],
    ['Posterize', extent.posterize],
    ['Solarize', { magnitudes: linspace(255, 0, bins), signed: false }],
    ['AutoContrast', plain],
    ['Equalize', plain],
  ];
}

const colours = (strength: number, bins: number): [OperationName, Strength][] =>
  (['Brightness', 'Color', 'Contrast', 'Sharpness'] as const).map((name) => [name, signed(strength, bins)]);

function space(extent: Extent, bins: number, ...more: OperationName[]): Space {
  const extra: [OperationName, Strength][] = more.map((name) => [name, plain]);
  return new Map([...extra, ...geometricAndTones(extent, bins), ...colours(extent.colour, bins)]);
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Translations of AutoAugment and RandAugment were tuned on 331 × 331 images. */
const relative = ({ width, height }: Size): [number, number] => [(150 / 331) * width, (150 / 331) * height];

const AUTO_AUGMENT_BINS = 10;

/** Of the operations that AutoAugment's policies name. */
export const autoAugmentSpace = (size: Size): Space =>
  space(
    { shear: 0.3, translate: relative(size), rotate: 30, colour: 0.9, posterize: bits(8, 4, AUTO_AUGMENT_BINS) },
    AUTO_AUGMENT_BINS,
    'Invert',
  );

export const randAugmentSpace = (size: Size, bins: number): Space =>
  space(
    { shear: 0.3, translate: relative(size), rotate: 30, colour: 0.9, posterize: bits(8, 4, bins) },
    bins,
    'Identity',
  );

export const trivialAugmentSpace = (bins: number): Space =>
  space({ shear: 0.99, translate: [32, 32], rotate: 135, colour: 0.99, posterize: bits(8, 6, bins) }, bins, 'Identity');

export const AUG_MIX_BINS = 10;

export const augMixSpace = ({ width, height }: Size): Space =>
  space(
    { shear: 0.3, translate: [width / 3, height / 3], rotate: 30, colour: 0.9, posterize: bits(4, 4, AUG_MIX_BINS) },
    AUG_MIX_BINS,
  );

/** Any operation of the space. */
export function randomOperation(from: Space, random: Random): OperationName {
  return [...from.keys()][random.int(from.size)];
}

/** The magnitude of a bin, negated half of the time where the operation is signed. */
export function magnitudeOf({ magnitudes, signed: mayNegate }: Strength, bin: number, random: Random): number {
  if (magnitudes.length === 0) return 0;
  const magnitude = magnitudes[bin];
  return mayNegate && random.int(2) === 1 ? -magnitude : magnitude;
}
