/**
 * Pillow's affine transform on RGB, byte for byte: nearest in 16.16 fixed point (plain scaling and shifting in double),
 * bilinear and bicubic in double, truncated. What lies outside the source is black.
 */
import type { RgbImage } from '../image.ts';

/** (a, b, c, d, e, f): output pixel (x, y) takes source (a·x + b·y + c, d·x + e·y + f). */
export type AffineMatrix = readonly [number, number, number, number, number, number];

export type AffineInterpolation = 'nearest' | 'bilinear' | 'bicubic';

const fixed = (v: number): number => Math.floor(v * 65536 + 0.5);

function copyPixel(image: RgbImage, x: number, y: number, out: Uint8Array, at: number): void {
  const from = (y * image.width + x) * 3;
  out[at] = image.data[from];
  out[at + 1] = image.data[from + 1];
  out[at + 2] = image.data[from + 2];
}

/** Nearest with a rotation or shear: coordinates are stepped in fixed point, as Pillow does for images below 32768. */
function nearestFixed(image: RgbImage, [a, b, c, d, e, f]: AffineMatrix, out: Uint8Array): void {
  const { width, height } = image;
  const [ax, bx, dy, ey] = [fixed(a), fixed(b), fixed(d), fixed(e)];
  const startX = fixed(c + a * 0.5 + b * 0.5);
  const startY = fixed(f + d * 0.5 + e * 0.5);
  for (let y = 0, at = 0; y < height; y++) {
    let sx = startX + y * bx;
    let sy = startY + y * ey;
    for (let x = 0; x < width; x++, at += 3, sx += ax, sy += dy) {
      const px = sx >> 16;
      const py = sy >> 16;
      if (px >= 0 && px < width && py >= 0 && py < height) copyPixel(image, px, py, out, at);
    }
  }
}

/** Source index of every output index along one side, −1 outside; accumulated in double. */
function steppedIndices(size: number, scale: number, shift: number): Int32Array {
  const indices = new Int32Array(size);
  let v = shift + scale * 0.5;
  for (let i = 0; i < size; i++, v += scale) indices[i] = v >= 0 && v < size ? Math.trunc(v) : -1;
  return indices;
}

/** Nearest without rotation or shear. */
function nearestStraight(image: RgbImage, matrix: AffineMatrix, out: Uint8Array): void {
  const columns = steppedIndices(image.width, matrix[0], matrix[2]);
  const rows = steppedIndices(image.height, matrix[4], matrix[5]);
  for (let y = 0, at = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++, at += 3) {
      if (rows[y] >= 0 && columns[x] >= 0) copyPixel(image, columns[x], rows[y], out, at);
    }
  }
}

function nearest(image: RgbImage, matrix: AffineMatrix, out: Uint8Array): void {
  const isStraight = matrix[1] === 0 && matrix[3] === 0;
  (isStraight ? nearestStraight : nearestFixed)(image, matrix, out);
}

/** Colours at a fractional place inside the source: (x, y) is the tap before it, (dx, dy) how far beyond. */
type Sample = (image: RgbImage, x: number, y: number, dx: number, dy: number, out: Uint8Array, at: number) => void;

const clampIndex = (i: number, size: number): number => (i < 0 ? 0 : i < size ? i : size - 1);

const bilinear: Sample = ({ width, height, data }, x, y, dx, dy, out, at) => {
  const row = clampIndex(y, height) * width;
  const left = clampIndex(x, width);
  const right = clampIndex(x + 1, width);
  const hasBelow = y + 1 >= 0 && y + 1 < height;
  const below = (y + 1) * width;
  for (let c = 0; c < 3; c++) {
    const p = data[(row + left) * 3 + c];
    const upper = p + (data[(row + right) * 3 + c] - p) * dx;
    let lower = upper;
    if (hasBelow) {
      const q = data[(below + left) * 3 + c];
      lower = q + (data[(below + right) * 3 + c] - q) * dx;
    }
    out[at + c] = Math.trunc(upper + (lower - upper) * dy);
  }
};

/** Pillow's cubic through four values (a = −1), at distance d beyond the second. */
function cubic(v1: number, v2: number, v3: number, v4: number, d: number): number {
  const p1 = v2;
  const p2 = -v1 + v3;
  const p3 = 2 * (v1 - v2) + v3 - v4;
  const p4 = -v1 + v2 - v3 + v4;
  return p1 + d * (p2 + d * (p3 + d * p4));
}

const isInside = (i: number, size: number): boolean => i >= 0 && i < size;

/** As bytes of neighbouring columns and rows; a row outside repeats the row before it. Nothing is weighted along a dimension without a fraction. */
const bicubic: Sample = ({ width, height, data }, x, y, dx, dy, out, at) => {
  const pitch = width * 3;
  const x0 = clampIndex(x - 1, width) * 3;
  const x1 = clampIndex(x, width) * 3;
  const x2 = clampIndex(x + 1, width) * 3;
  const x3 = clampIndex(x + 2, width) * 3;
  const y0 = clampIndex(y - 1, height) * pitch;
  const y1 = isInside(y, height) ? y * pitch : y0;
  const y2 = isInside(y + 1, height) ? (y + 1) * pitch : y1;
  const y3 = isInside(y + 2, height) ? (y + 2) * pitch : y2;
  for (let c = 0; c < 3; c++) {
    const b = y1 + c;
    let value: number;
    if (dy === 0) value = cubic(data[b + x0], data[b + x1], data[b + x2], data[b + x3], dx);
    else if (dx === 0) value = cubic(data[y0 + c + x1], data[b + x1], data[y2 + c + x1], data[y3 + c + x1], dy);
    else {
      const a = y0 + c;
      const d = y2 + c;
      const e = y3 + c;
      value = cubic(
        cubic(data[a + x0], data[a + x1], data[a + x2], data[a + x3], dx),
        cubic(data[b + x0], data[b + x1], data[b + x2], data[b + x3], dx),
        cubic(data[d + x0], data[d + x1], data[d + x2], data[d + x3], dx),
        cubic(data[e + x0], data[e + x1], data[e + x2], data[e + x3], dx),
        dy,
      );
    }
    out[at + c] = value <= 0 ? 0 : Math.min(value, 255);
  }
};

function interpolated(sample: Sample): (image: RgbImage, matrix: AffineMatrix, out: Uint8Array) => void {
  return (image, [a, b, c, d, e, f], out) => {
    const { width, height } = image;
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at += 3) {
        const sx = a * (x + 0.5) + b * (y + 0.5) + c;
        const sy = d * (x + 0.5) + e * (y + 0.5) + f;
        if (sx < 0 || sx >= width || sy < 0 || sy >= height) continue;
        const px = Math.floor(sx - 0.5);
        const py = Math.floor(sy - 0.5);
        sample(image, px, py, sx - 0.5 - px, sy - 0.5 - py, out, at);
      }
    }
  };
}

const methods: {
  readonly [K in AffineInterpolation]: (image: RgbImage, matrix: AffineMatrix, out: Uint8Array) => void;
} = {
  nearest,
  bilinear: interpolated(bilinear),
  bicubic: interpolated(bicubic),
};

/** A move by whole pixels: every place is a pixel, whatever the interpolation. */
const isWholeMove = ([a, b, c, d, e, f]: AffineMatrix): boolean =>
  a === 1 && b === 0 && d === 0 && e === 1 && Number.isInteger(c) && Number.isInteger(f);

/** The transformed image, of the same size. */
export function affineTransform(image: RgbImage, matrix: AffineMatrix, interpolation: AffineInterpolation): RgbImage {
  const data = new Uint8Array(image.data.length);
  methods[isWholeMove(matrix) ? 'nearest' : interpolation](image, matrix, data);
  return { width: image.width, height: image.height, data };
}

/**
 * torchvision's `affine` without rotation and scale: shears (as slopes' angles, radians) and a translation in pixels, about a
 * centre (`_get_inverse_affine_matrix`).
 */
export function shearMatrix(
  shear: readonly [number, number],
  translate: readonly [number, number],
  centre: readonly [number, number],
): AffineMatrix {
  const [sx, sy] = shear;
  const a = Math.cos(-sy) / Math.cos(sy);
  const b = (-Math.cos(-sy) * Math.tan(sx)) / Math.cos(sy);
  const c = Math.sin(-sy) / Math.cos(sy);
  const d = (-Math.sin(-sy) * Math.tan(sx)) / Math.cos(sy) + 1;
  const x = -centre[0] - translate[0];
  const y = -centre[1] - translate[1];
  return [d, -b, d * x + -b * y + centre[0], -c, a, -c * x + a * y + centre[1]];
}

/** `round(v, 15)` as Pillow's rotation takes it. */
const round15 = (v: number): number => Number(v.toFixed(15));

/** Pillow's `rotate`: counter-clockwise by `degrees` (0 ≤ degrees < 360) about the centre. */
export function rotationMatrix(degrees: number, width: number, height: number): AffineMatrix {
  const angle = -degrees * (Math.PI / 180);
  const cos = round15(Math.cos(angle));
  const sin = round15(Math.sin(angle));
  const minusSin = round15(-Math.sin(angle));
  const x = -width / 2;
  const y = -height / 2;
  return [cos, sin, cos * x + sin * y + width / 2, minusSin, cos, minusSin * x + cos * y + height / 2];
}
