/** Resizing of images as a product with a matrix an axis: any mode and any coordinates, differentiable as products are. */
import type { OperationAttributes, Pair } from './operations.ts';

export type ResizeAttributes = OperationAttributes['resize'];

/** Cubic convolution's coefficient: PyTorch's and ONNX's default. */
const CUBIC = -0.75;
/** PyTorch's with antialiasing, which is Pillow's. */
const SMOOTH_CUBIC = -0.5;

/** Weight of a neighbour at a distance (Keys 1981). */
function cubicWeight(distance: number, a = CUBIC): number {
  const t = Math.abs(distance);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/** Position in the input of an output position. `scale`: output size over input size. */
function sourceOf({ coordinates }: ResizeAttributes, at: number, input: number, output: number, scale: number): number {
  switch (coordinates) {
    case 'asymmetric':
      return at / scale;
    case 'alignCorners':
      return output === 1 ? 0 : (at * (input - 1)) / (output - 1);
    case 'pytorchHalfPixel':
      return output === 1 ? 0 : (at + 0.5) / scale - 0.5;
    default:
      return (at + 0.5) / scale - 0.5;
  }
}

const roundings: { readonly [R in NonNullable<ResizeAttributes['rounding']>]: (x: number) => number } = {
  floor: Math.floor,
  ceil: Math.ceil,
  preferFloor: (x) => Math.ceil(x - 0.5),
  preferCeil: (x) => Math.floor(x + 0.5),
};

/** Output size over input size along one of the two axes, as the network gives it or by the sizes. */
const scaleOf = ({ scales }: ResizeAttributes, axis: 0 | 1, input: number, output: number): number =>
  scales?.[axis] ?? output / input;

/** Entries of the input that a position of the output takes, with their weights; those beyond the border are the border's. */
function neighbours(
  a: ResizeAttributes,
  axis: 0 | 1,
  at: number,
  input: number,
): readonly (readonly [number, number])[] {
  const output = a.size[axis];
  const x = sourceOf(a, at, input, output, scaleOf(a, axis, input, output));
  // float32's rounding of a position that is a whole number must not choose its neighbour.
  if (a.mode === 'nearest') return [[roundings[a.rounding ?? 'floor'](Number(x.toFixed(5))), 1]];
  const low = Math.floor(x);
  if (a.mode === 'linear')
    return [
      [low, 1 - (x - low)],
      [low + 1, x - low],
    ];
  return [-1, 0, 1, 2].map((i) => [low + i, cubicWeight(x - low - i)]);
}

/** The entries under a filter that is stretched as the image shrinks, inside the image (torch.nn.functional.interpolate, antialias=True). */
function underFilter(
  a: ResizeAttributes,
  axis: 0 | 1,
  at: number,
  input: number,
): readonly (readonly [number, number])[] {
  const step = 1 / scaleOf(a, axis, input, a.size[axis]);
  const stretch = Math.max(step, 1);
  const centre = (at + 0.5) * step;
  const reach = (a.mode === 'cubic' ? 2 : 1) * stretch;
  const weight = (distance: number): number =>
    a.mode === 'cubic' ? cubicWeight(distance, SMOOTH_CUBIC) : Math.max(0, 1 - Math.abs(distance));
  const start = Math.max(Math.trunc(centre - reach + 0.5), 0);
  const end = Math.min(Math.trunc(centre + reach + 0.5), input);
  const found = Array.from({ length: end - start }, (_, i): readonly [number, number] => [
    start + i,
    weight((start + i + 0.5 - centre) / stretch),
  ]);
  const total = found.reduce((sum, [, each]) => sum + each, 0);
  return found.map(([i, each]) => [i, each / total]);
}

/** [input, output] for one axis: output = input · matrix. */
export function resizeMatrix(a: ResizeAttributes, axis: 0 | 1, input: number): Float32Array {
  const output = a.size[axis];
  const matrix = new Float32Array(input * output);
  for (let at = 0; at < output; at++)
    for (const [i, weight] of (a.antialias ? underFilter : neighbours)(a, axis, at, input))
      matrix[Math.min(Math.max(i, 0), input - 1) * output + at] += weight;
  return matrix;
}

/** How often every pixel is repeated along each axis, if that is all that the resizing does. */
export function repeatsOf(a: ResizeAttributes, input: Pair): Pair | undefined {
  if (a.mode !== 'nearest') return undefined;
  const repeats = a.size.map((output, axis) => {
    const size = input[axis];
    const times = output / size;
    const isRepeat =
      Number.isInteger(times) &&
      Array.from({ length: output }, (_, at) => neighbours(a, axis as 0 | 1, at, size)[0][0]).every(
        (i, at) => Math.min(Math.max(i, 0), size - 1) === Math.floor(at / times),
      );
    return isRepeat ? times : undefined;
  });
  const [rows, columns] = repeats;
  return rows !== undefined && columns !== undefined ? [rows, columns] : undefined;
}
