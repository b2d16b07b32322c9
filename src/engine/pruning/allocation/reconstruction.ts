/**
 * What a layer loses when inputs go and the rest are refitted to give its outputs again, from the second moments of its
 * inputs alone: with H = XᵀX the lost energy of Y = X·W is that of the part of the removed inputs that the kept ones do not span.
 */
import { cholesky, choleskySolve } from '../repair/cholesky.ts';

/** Sums over rows of one layer's inputs in the dense network; inputs lie taps first: tap · channels + channel. */
export interface InputMoments {
  readonly inputs: number;
  readonly rows: number;
  readonly xx: Float64Array;
  readonly x: Float64Array;
}

/** A dense layer: weights [outputs, inputs], inputs in the order of its moments. */
export interface DenseLayer extends InputMoments {
  readonly weight: Float64Array;
  readonly outputs: number;
  /** Whether a constant makes good the means. */
  readonly constant: boolean;
}

/** Of the repair's ridge: share of the diagonal's mean. */
const RIDGE = 1e-3;

/** H/n with what the constant takes out, and the ridge D. */
export function covariance({ inputs: n, rows, xx, x, constant }: DenseLayer): { h: Float64Array; ridge: number } {
  const h = new Float64Array(n * n);
  let trace = 0;
  for (let i = 0; i < n; i++) trace += xx[i * (n + 1)] / rows;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) h[i * n + j] = xx[i * n + j] / rows - (constant ? (x[i] * x[j]) / rows ** 2 : 0);
  return { h, ridge: (RIDGE * trace) / n };
}

/**
 * Share of a layer's output energy that is lost for every number of inputs kept, in an order: one Cholesky factor, whose
 * trailing rows times the weights are what the leading inputs cannot give.
 *
 * @param order all inputs, those kept longest first
 * @returns [inputs + 1]: at k, the share lost when the first k stay
 */
export function lostShares(layer: DenseLayer, order: Int32Array): Float64Array {
  const { inputs: n, outputs, weight } = layer;
  const { h, ridge } = covariance(layer);
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) l[i * n + j] = h[order[i] * n + order[j]];
  for (let i = 0; i < n; i++) l[i * (n + 1)] += ridge + 1e-300;
  const lost = new Float64Array(n + 1);
  if (!cholesky(l, n)) return lost;
  const energy = new Float64Array(n);
  const row = new Float64Array(n);
  for (let o = 0; o < outputs; o++) {
    row.fill(0);
    for (let k = 0; k < n; k++) {
      const w = weight[o * n + order[k]];
      if (w !== 0) for (let i = 0; i <= k; i++) row[i] += l[k * n + i] * w;
    }
    for (let i = 0; i < n; i++) energy[i] += row[i] ** 2;
  }
  for (let k = n - 1; k >= 0; k--) lost[k] = lost[k + 1] + energy[k];
  const whole = lost[0] || 1;
  return lost.map((value) => value / whole);
}

export interface Refit {
  /** [outputs, inputs], 0 at what went. */
  readonly weight: Float64Array;
  /** Added to the outputs. */
  readonly constant: Float64Array;
}

/** The layer refitted to its own dense outputs without some inputs. `stays`: 1 for the inputs that stay. */
export function refitWithout(layer: DenseLayer, stays: Uint8Array): Refit {
  const { inputs: n, outputs, weight, x, rows } = layer;
  const { h, ridge } = covariance(layer);
  const kept = Int32Array.from([...stays.keys()].filter((i) => stays[i]));
  const gone = Int32Array.from([...stays.keys()].filter((i) => !stays[i]));
  const k = kept.length;
  const a = new Float64Array(k * k);
  for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) a[i * k + j] = h[kept[i] * n + kept[j]];
  for (let i = 0; i < k; i++) a[i * (k + 1)] += ridge + 1e-300;
  const right = new Float64Array(outputs * k);
  for (let o = 0; o < outputs; o++)
    for (const g of gone) {
      const w = weight[o * n + g];
      if (w !== 0) for (let i = 0; i < k; i++) right[o * k + i] += h[kept[i] * n + g] * w;
    }
  if (cholesky(a, k)) choleskySolve(a, k, right, outputs);
  else right.fill(0);
  const fitted = new Float64Array(weight.length);
  const constant = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < k; i++) fitted[o * n + kept[i]] = weight[o * n + kept[i]] + right[o * k + i];
    if (!layer.constant) continue;
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (weight[o * n + i] - fitted[o * n + i]) * x[i];
    constant[o] = sum / rows;
  }
  return { weight: fitted, constant };
}
