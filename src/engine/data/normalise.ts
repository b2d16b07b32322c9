/** Bytes to the numbers a network sees: /255, minus mean, divided by std, in single precision as PyTorch does it. */
import type { RgbImage } from './image.ts';

export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** Blue first, mean and std in that order too; red first without it. */
  readonly order?: 'bgr';
}

/** ImageNet's, which timm, torchvision and the CIFAR checkpoints use. */
export const IMAGENET_NORMALISATION: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

const tables = new Map<string, Float32Array>();

/** 3 × 256 values: each operation rounded to float32, as `ToTensor` and `Normalize` round it. */
function tableFor({ mean, std }: Normalisation): Float32Array {
  const key = `${mean.join()}/${std.join()}`;
  const known = tables.get(key);
  if (known) return known;
  const { fround } = Math;
  const table = new Float32Array(3 * 256);
  for (let c = 0; c < 3; c++) {
    // Pixels from 0 to 255 stay the whole numbers that they are.
    const isWhole = mean[c] === 0 && std[c] === 1 / 255;
    for (let v = 0; v < 256; v++) {
      table[c * 256 + v] = isWhole ? v : fround(fround(fround(v / 255) - fround(mean[c])) / fround(std[c]));
    }
  }
  tables.set(key, table);
  return table;
}

/** Writes height × width × 3 floats at `offset`. */
export function writeNormalised(
  image: RgbImage,
  normalisation: Normalisation,
  out: Float32Array,
  offset: number,
): void {
  const table = tableFor(normalisation);
  const [first, last] = normalisation.order === 'bgr' ? [2, 0] : [0, 2];
  const { data } = image;
  const end = image.width * image.height * 3;
  for (let i = 0; i < end; i += 3) {
    out[offset + i] = table[data[i + first]];
    out[offset + i + 1] = table[256 + data[i + 1]];
    out[offset + i + 2] = table[512 + data[i + last]];
  }
}
