/** Random erasing (Zhong et al. 2020), as torchvision's `RandomErasing` on the normalised image. */
import { roundHalfEven } from '../geometry.ts';
import type { Box } from '../image.ts';
import type { Random } from '../random.ts';

export interface RandomErasingSpec {
  readonly probability: number;
  /** Erased area relative to the image's. Default [0.02, 0.33]. */
  readonly scale?: readonly [number, number];
  /** Height / width of the erased box. Default [0.3, 3.3]. */
  readonly ratio?: readonly [number, number];
  /** What is written: zeros (the mean colour; default) or normal noise per value. */
  readonly fill?: 'zero' | 'noise';
}

/** The box to erase in a size × size image, or undefined where ten attempts found none (torchvision then erases nothing). */
export function erasedBox(spec: RandomErasingSpec, size: number, random: Random): Box | undefined {
  const { scale = [0.02, 0.33], ratio = [0.3, 3.3] } = spec;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = size * size * random.uniform(scale[0], scale[1]);
    const aspect = Math.exp(random.uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const height = roundHalfEven(Math.sqrt(area * aspect));
    const width = roundHalfEven(Math.sqrt(area / aspect));
    if (height >= size || width >= size) continue;
    return { top: random.int(size - height + 1), left: random.int(size - width + 1), width, height };
  }
  return undefined;
}

/** Erases in place: the image is size × size × 3 floats at `offset`. */
export function eraseRandomly(
  spec: RandomErasingSpec,
  values: Float32Array,
  offset: number,
  size: number,
  random: Random,
): void {
  if (!random.chance(spec.probability)) return;
  const box = erasedBox(spec, size, random);
  if (!box) return;
  for (let y = box.top; y < box.top + box.height; y++) {
    const from = offset + (y * size + box.left) * 3;
    const to = from + box.width * 3;
    if (spec.fill === 'noise') for (let i = from; i < to; i++) values[i] = random.normal();
    else values.fill(0, from, to);
  }
}
