/** Products, normalisation, softmax and losses. */
import { count, forEachIndex, mapValues, offset, strides, type Values, values, zip } from './array.ts';

export function matmul(
  a: Values,
  b: Values,
  shape: readonly number[],
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
): Values {
  const y = values(shape);
  const [rows, columns] = shape.slice(-2);
  const inner = a.shape.at(transposeA ? -2 : -1) as number;
  const leading = shape.slice(0, -2);
  const matrixStrides = (x: Values): number[] => {
    const own = x.shape.slice(0, -2);
    const step = strides(own);
    return leading.map((_, i) => {
      const j = i - (leading.length - own.length);
      return j < 0 || own[j] === 1 ? 0 : step[j] * count(x.shape.slice(-2));
    });
  };
  const [sa, sb] = [matrixStrides(a), matrixStrides(b)];
  const [ar, ak] = transposeA ? [1, rows] : [inner, 1];
  const [bk, bc] = transposeB ? [1, inner] : [columns, 1];
  forEachIndex(leading, (index, m) => {
    const [a0, b0, y0] = [offset(index, sa), offset(index, sb), m * rows * columns];
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += a.data[a0 + r * ar + k * ak] * b.data[b0 + k * bk + c * bc];
        y.data[y0 + r * columns + c] = sum;
      }
  });
  return y;
}

export function linear([x, w, bias]: readonly Values[], shape: readonly number[]): Values {
  const rows = values([count(x.shape.slice(0, -1)), x.shape.at(-1) as number], x.data);
  const flat = [rows.shape[0], w.shape[0]];
  const y = matmul(rows, w, flat, { transposeA: false, transposeB: true });
  return { shape, data: bias ? zip(y, bias, flat, (p, q) => p + q).data : y.data };
}

/** Sum of x over all dimensions for which `keep` is false, with size 1 there. */
export function sumOver(x: Values, keep: (axis: number) => boolean): Values {
  const shape = x.shape.map((size, i) => (keep(i) ? size : 1));
  const out = values(shape);
  const step = strides(shape).map((s, i) => (keep(i) ? s : 0));
  forEachIndex(x.shape, (index, flat) => {
    out.data[offset(index, step)] += x.data[flat];
  });
  return out;
}

const binary =
  (f: (a: number, b: number) => number) =>
  (a: Values, b: Values): Values =>
    zip(a, b, a.shape, f);
const plus = binary((a, b) => a + b);
const minus = binary((a, b) => a - b);
const times = binary((a, b) => a * b);
export const scaled = (x: Values, by: number): Values => mapValues(x, (v) => v * by);
const meanOver = (x: Values, keep: (axis: number) => boolean): Values => {
  const sum = sumOver(x, keep);
  return scaled(sum, sum.data.length / x.data.length);
};

/** A vector [n] along one axis of a tensor of `rank` dimensions. */
export const along = (vector: Values, axis: number, rank: number): Values => ({
  shape: Array.from({ length: rank }, (_, i) => (i === axis ? vector.shape[0] : 1)),
  data: vector.data,
});

const flat = (x: Values): Values => ({ shape: [x.data.length], data: x.data });

/** w (x − mean) · inverse + b, with statistics that broadcast against x, and w, b along `axis`. */
export function normalise(x: Values, w: Values, b: Values, mean: Values, inverse: Values, axis: number): Values {
  const rank = x.shape.length;
  const standard = times(minus(x, mean), inverse);
  return plus(times(standard, along(w, axis, rank)), along(b, axis, rank));
}

export const inverseDeviation = (variance: Values, eps: number): Values =>
  mapValues(variance, (v) => 1 / Math.sqrt(v + eps));

/** Mean and (biased) variance over the dimensions for which `keep` is false. */
export function statistics(x: Values, keep: (axis: number) => boolean): { mean: Values; variance: Values } {
  const mean = meanOver(x, keep);
  const centred = minus(x, mean);
  return { mean, variance: meanOver(times(centred, centred), keep) };
}

/**
 * Gradients of `normalise` by x, w, b. `through` is where the statistics were taken (their dimensions reduced), or undefined where they
 * are constants.
 */
export function normaliseGradient(
  [d, x, w, mean, inverse]: readonly Values[],
  axis: number,
  through?: (axis: number) => boolean,
): Values[] {
  const xhat = times(minus(x, mean), inverse);
  const onAxis = (i: number): boolean => i === axis;
  const g = times(d, along(w, axis, x.shape.length));
  const corrected = through ? minus(minus(g, meanOver(g, through)), times(xhat, meanOver(times(g, xhat), through))) : g;
  return [times(corrected, inverse), flat(sumOver(times(d, xhat), onAxis)), flat(sumOver(d, onAxis))];
}

export function softmax(x: Values, axis: number): Values {
  const others = (i: number): boolean => i !== axis;
  const step = strides(x.shape.map((size, i) => (others(i) ? size : 1))).map((s, i) => (others(i) ? s : 0));
  const top = new Float64Array(count(x.shape) / x.shape[axis]).fill(Number.NEGATIVE_INFINITY);
  forEachIndex(x.shape, (index, i) => {
    const at = offset(index, step);
    top[at] = Math.max(top[at], x.data[i]);
  });
  const shape = x.shape.map((size, i) => (others(i) ? size : 1));
  const powers = mapValues(minus(x, { shape, data: top }), Math.exp);
  return zip(powers, sumOver(powers, others), x.shape, (a, b) => a / b);
}

export function softmaxGradient(d: Values, y: Values, axis: number): Values {
  const inner = sumOver(times(d, y), (i) => i !== axis);
  return times(y, minus(d, inner));
}

/** Loss of each row and its gradient by the logits. */
export function crossEntropy(logits: Values, targets: Values): Values[] {
  const p = softmax(logits, 1);
  const losses = sumOver(
    zip(p, targets, p.shape, (a, t) => (t === 0 ? 0 : -t * Math.log(a))),
    (i) => i === 0,
  );
  return [flat(losses), minus(p, targets)];
}
