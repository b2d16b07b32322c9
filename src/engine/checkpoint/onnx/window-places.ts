/** Where the entries of windows over an image lie, and the matrix that adds windows up to an image. */

/** Matrices that put windows together: 64 MB. */
const MAX_ENTRIES = 1 << 24;

type Pair = readonly [number, number];

export interface WindowSettings {
  readonly kernel: Pair;
  readonly dilation: Pair;
  readonly stride: Pair;
  /** Of rows and columns, before and after. */
  readonly before: Pair;
  readonly after: Pair;
}

export interface Windows {
  /** Where entry `tap` of window `window` lies in the padded image. */
  place(tap: number, window: number): number;
  readonly taps: number;
  readonly count: number;
}

export function windowsOf([height, width]: Pair, { kernel, dilation, stride, before, after }: WindowSettings): Windows {
  const sides = [height, width].map(
    (size, i) => Math.floor((size + before[i] + after[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i]) + 1,
  );
  const padded = width + before[1] + after[1];
  return {
    taps: kernel[0] * kernel[1],
    count: sides[0] * sides[1],
    place: (tap, window) => {
      const row = Math.floor(window / sides[1]) * stride[0] + Math.floor(tap / kernel[1]) * dilation[0];
      const column = (window % sides[1]) * stride[1] + (tap % kernel[1]) * dilation[1];
      return row * padded + column;
    },
  };
}

/** A matrix [taps · count, height · width] of what goes where; undefined where it would be too large. */
export function addingMatrix(
  size: Pair,
  settings: WindowSettings,
): { readonly rows: number; readonly columns: number; readonly data: Float32Array } | undefined {
  const [height, width] = size;
  const { taps, count, place } = windowsOf(size, settings);
  const [rows, columns] = [taps * count, height * width];
  if (!(rows * columns <= MAX_ENTRIES)) return undefined;
  const data = new Float32Array(rows * columns);
  const padded = width + settings.before[1] + settings.after[1];
  for (let i = 0; i < rows; i++) {
    const at = place(Math.floor(i / count), i % count);
    const [row, column] = [Math.floor(at / padded) - settings.before[0], (at % padded) - settings.before[1]];
    if (row >= 0 && row < height && column >= 0 && column < width) data[i * columns + row * width + column] = 1;
  }
  return { rows, columns, data };
}
