/**
 * Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of whole batches, as torchvision's references do it: every image is
 * mixed with the one before it (the first with the last), one weight per batch.
 */
import type { Box } from '../image.ts';
import { deriveSeed, Random } from '../random.ts';

export interface MixingSpec {
  /** Of the Beta distribution; 0 or absent: no mixup. */
  readonly mixupAlpha?: number;
  readonly cutmixAlpha?: number;
}

export interface MixedBatch {
  readonly kind: 'none' | 'mixup' | 'cutmix';
  /** Weight of each image's own label; the rest goes to the label of the image before. */
  readonly weight: number;
  /** count × classes probabilities. */
  readonly targets: Float32Array<ArrayBuffer>;
}

interface Images {
  /** count × size × size × 3, changed in place. */
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly count: number;
  readonly size: number;
}

/** count × classes: each row gives `weight` to its own label and the rest to the label of the row before. */
export function mixedTargets(labels: Int32Array, classes: number, weight: number): Float32Array<ArrayBuffer> {
  const count = labels.length;
  const targets = new Float32Array(count * classes);
  for (let i = 0; i < count; i++) {
    targets[i * classes + labels[i]] += weight;
    targets[i * classes + labels[(i + count - 1) % count]] += 1 - weight;
  }
  return targets;
}

/** Calls `mix(image, before)` for every image with what the one before it was; last first, so that one copy is enough. */
function withImageBefore(
  { images, count, size }: Images,
  mix: (image: Float32Array, before: Float32Array) => void,
): void {
  const stride = size * size * 3;
  const at = (i: number) => images.subarray(i * stride, (i + 1) * stride);
  const last = at(count - 1).slice();
  for (let i = count - 1; i > 0; i--) mix(at(i), at(i - 1));
  mix(at(0), last);
}

function mixup(batch: Images, weight: number): void {
  withImageBefore(batch, (image, before) => {
    for (let i = 0; i < image.length; i++) image[i] = weight * image[i] + (1 - weight) * before[i];
  });
}

/** CutMix's box: an area of 1 − λ around a uniform centre, cut at the border. */
export function cutmixBox(lambda: number, size: number, random: Random): Box {
  const x = random.int(size);
  const y = random.int(size);
  const half = Math.trunc(0.5 * Math.sqrt(1 - lambda) * size);
  const left = Math.max(0, x - half);
  const top = Math.max(0, y - half);
  return { left, top, width: Math.min(size, x + half) - left, height: Math.min(size, y + half) - top };
}

function cutmix(batch: Images, box: Box): void {
  withImageBefore(batch, (image, before) => {
    for (let y = box.top; y < box.top + box.height; y++) {
      const from = (y * batch.size + box.left) * 3;
      image.set(before.subarray(from, from + box.width * 3), from);
    }
  });
}

const MIX_STREAM = 3;

/** The generator for a step's mixing: it depends on nothing else, so that a resumed run mixes as the unbroken one. */
export const mixingRandom = (seed: number, epoch: number, step: number): Random =>
  new Random(deriveSeed(seed, MIX_STREAM, epoch, step));

/** Mixes a batch in place by one of the methods asked for, chosen at random where there are two. */
export function mixBatch(spec: MixingSpec, batch: Images, classes: number, random: Random): MixedBatch {
  const { mixupAlpha = 0, cutmixAlpha = 0 } = spec;
  const kinds: ('mixup' | 'cutmix')[] = [];
  if (mixupAlpha > 0) kinds.push('mixup');
  if (cutmixAlpha > 0) kinds.push('cutmix');
  if (kinds.length === 0 || batch.count === 0) {
    return { kind: 'none', weight: 1, targets: mixedTargets(batch.labels, classes, 1) };
  }
  const kind = kinds[random.int(kinds.length)];
  let weight: number;
  if (kind === 'mixup') {
    weight = random.beta(mixupAlpha, mixupAlpha);
    mixup(batch, weight);
  } else {
    const box = cutmixBox(random.beta(cutmixAlpha, cutmixAlpha), batch.size, random);
    weight = 1 - (box.width * box.height) / (batch.size * batch.size);
    cutmix(batch, box);
  }
  return { kind, weight, targets: mixedTargets(batch.labels, classes, weight) };
}
