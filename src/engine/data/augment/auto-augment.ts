/** The automatic augmentations of the recipes: AutoAugment, RandAugment, TrivialAugment and AugMix, as torchvision draws them. */
import type { RgbImage } from '../image.ts';
import type { Random } from '../random.ts';
import type { AffineInterpolation } from './affine.ts';
import { applyOperation } from './image-operations.ts';
import { AUTO_AUGMENT_POLICIES, type PolicyName } from './policies.ts';
import {
  AUG_MIX_BINS,
  augMixSpace,
  autoAugmentSpace,
  magnitudeOf,
  randAugmentSpace,
  randomOperation,
  type Strength,
  trivialAugmentSpace,
} from './spaces.ts';

const BINS = 31;

interface Common {
  /** Of the geometric operations. Default nearest; AugMix bilinear. */
  readonly interpolation?: AffineInterpolation;
}

/** Cubuk et al. 2019: one of 25 learned pairs of operations. */
interface AutoAugmentSpec extends Common {
  readonly kind: 'policy';
  readonly policy: PolicyName;
}

/** Cubuk et al. 2020 (`ra`): `operations` of them (2) at one magnitude (9 of 0 … 30). */
interface RandAugmentSpec extends Common {
  readonly kind: 'ra';
  readonly operations?: number;
  readonly magnitude?: number;
}

/** Müller and Hutter 2021 (`ta_wide`): one operation at any magnitude. */
interface TrivialAugmentSpec extends Common {
  readonly kind: 'ta_wide';
}

/**
 * Hendrycks et al. 2020 (`augmix`): three chains of up to three operations mixed with the image; severity 1 … 10 (3).
 * torchvision runs the chains on tensors, whose geometric operations round differently; these are Pillow's.
 */
interface AugMixSpec extends Common {
  readonly kind: 'augmix';
  readonly severity?: number;
}

export type AutomaticAugmentation = AutoAugmentSpec | RandAugmentSpec | TrivialAugmentSpec | AugMixSpec;
type Rule<S> = (spec: S, image: RgbImage, random: Random, interpolation: AffineInterpolation) => RgbImage;

const policy: Rule<AutoAugmentSpec> = (spec, image, random, interpolation) => {
  const policies = AUTO_AUGMENT_POLICIES[spec.policy];
  const space = autoAugmentSpace(image);
  let result = image;
  for (const { operation, probability, bin } of policies[random.int(policies.length)]) {
    const applies = random.float() <= probability;
    const magnitude = bin === undefined ? 0 : magnitudeOf(space.get(operation) as Strength, bin, random);
    if (applies) result = applyOperation(result, operation, magnitude, interpolation);
  }
  return result;
};

const randAugment: Rule<RandAugmentSpec> = (spec, image, random, interpolation) => {
  const { operations = 2, magnitude: bin = 9 } = spec;
  const space = randAugmentSpace(image, BINS);
  let result = image;
  for (let i = 0; i < operations; i++) {
    const name = randomOperation(space, random);
    const magnitude = magnitudeOf(space.get(name) as Strength, bin, random);
    result = applyOperation(result, name, magnitude, interpolation);
  }
  return result;
};

const trivialAugment: Rule<TrivialAugmentSpec> = (_, image, random, interpolation) => {
  const space = trivialAugmentSpace(BINS);
  const name = randomOperation(space, random);
  const magnitude = magnitudeOf(space.get(name) as Strength, random.int(BINS), random);
  return applyOperation(image, name, magnitude, interpolation);
};

const CHAINS = 3;
const LONGEST_CHAIN = 3;

const augMix: Rule<AugMixSpec> = (spec, image, random, interpolation) => {
  const { severity = 3 } = spec;
  const space = augMixSpace(image);
  const [kept, mixed] = random.dirichlet(1, 2);
  const weights = random.dirichlet(1, CHAINS).map((weight) => weight * mixed);
  const sum = Float32Array.from(image.data, (value) => value * kept);
  for (const weight of weights) {
    let chain = image;
    for (let depth = 1 + random.int(LONGEST_CHAIN); depth > 0; depth--) {
      const name = randomOperation(space, random);
      const magnitude = magnitudeOf(space.get(name) as Strength, random.int(Math.min(severity, AUG_MIX_BINS)), random);
      chain = applyOperation(chain, name, magnitude, interpolation);
    }
    for (let i = 0; i < sum.length; i++) sum[i] += weight * chain.data[i];
  }
  return { width: image.width, height: image.height, data: Uint8Array.from(sum) };
};

const rules: { readonly [K in AutomaticAugmentation['kind']]: Rule<Extract<AutomaticAugmentation, { kind: K }>> } = {
  policy,
  ra: randAugment,
  ta_wide: trivialAugment,
  augmix: augMix,
};

/** The augmented image; the given one is not changed (it may be handed back). */
export function augmentAutomatically(spec: AutomaticAugmentation, image: RgbImage, random: Random): RgbImage {
  const interpolation = spec.interpolation ?? (spec.kind === 'augmix' ? 'bilinear' : 'nearest');
  const rule = rules[spec.kind] as Rule<AutomaticAugmentation>;
  return rule(spec, image, random, interpolation);
}
