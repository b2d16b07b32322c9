/**
 * A layer's weights by least squares towards given outputs, held to what they were by a ridge: with H = XᵀX/n and
 * G = XᵀY/n the solution of (H + λD) W = G + λD · W₀, D the mean of H's diagonal for weights and 0 for the constant
 * (He, Zhang and Sun, "Channel Pruning for Accelerating Very Deep Neural Networks", 2017, section 3.1, with a prior).
 */
import { cholesky, choleskySolve } from './cholesky.ts';
import type { Moments } from './moments.ts';

export interface Fit {
  /** [groups, outputs, inputs]. */
  readonly weight: Float64Array;
  /** [groups, outputs]; zeros where no constant was asked for. */
  readonly constant: Float64Array;
}

export interface RidgeOptions {
  readonly lambda: number;
  /** Whether a constant may be added to the outputs: the column of ones. */
  readonly constant: boolean;
}

/** Smallest share of the diagonal that is added where even the ridge leaves a matrix singular. */
const JITTER = 1e-10;

/**
 * Fits all groups of a layer. A group whose inputs are all zero keeps its weights.
 *
 * @param prior W₀: [groups, outputs, inputs]
 */
export function fitRidge(moments: Moments, prior: ArrayLike<number>, options: RidgeOptions): Fit {
  const { groups, inputs, outputs } = moments;
  const weight = Float64Array.from(prior);
  const constant = new Float64Array(groups * outputs);
  for (let group = 0; group < groups; group++) {
    const solved = fitGroup(moments, group, prior, options);
    if (solved) weight.set(solved, group * outputs * inputs);
    if (options.constant) constant.set(constantsOf(moments, group, weight), group * outputs);
  }
  return { weight, constant };
}

/** c = ȳ − W · x̄: what the constant is once the weights are known, since nothing holds it back. */
function constantsOf({ inputs, outputs, rows, x, y }: Moments, group: number, weight: Float64Array): Float64Array {
  const constants = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const row = (group * outputs + o) * inputs;
    let sum = y[group * outputs + o];
    for (let i = 0; i < inputs; i++) sum -= weight[row + i] * x[group * inputs + i];
    constants[o] = sum / rows;
  }
  return constants;
}

/** The weights of one group: [outputs, inputs]; undefined where nothing comes in. */
function fitGroup(
  { inputs: n, outputs, rows, xx, yx, x, y }: Moments,
  group: number,
  prior: ArrayLike<number>,
  { lambda, constant }: RidgeOptions,
): Float64Array | undefined {
  const square = group * n * n;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += xx[square + i * (n + 1)];
  const d = trace / (n * rows);
  if (!(d > 0)) return undefined;
  const a = new Float64Array(n * n);
  // The column of ones is eliminated beforehand: what is left of it are centred sums.
  const mean = x.subarray(group * n, (group + 1) * n).map((sum) => (constant ? sum / rows : 0));
  const fill = (ridge: number): void => {
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) a[i * n + j] = xx[square + i * n + j] / rows - mean[i] * mean[j];
    for (let i = 0; i < n; i++) a[i * (n + 1)] += ridge;
  };
  const right = new Float64Array(outputs * n);
  for (let o = 0; o < outputs; o++) {
    const row = (group * outputs + o) * n;
    const sum = constant ? y[group * outputs + o] / rows : 0;
    for (let i = 0; i < n; i++)
      right[o * n + i] = yx[row + i] / rows - sum * mean[i] + lambda * d * Number(prior[row + i]);
  }
  fill(lambda * d);
  if (!cholesky(a, n)) {
    fill((lambda + JITTER) * d);
    if (!cholesky(a, n)) return undefined;
  }
  choleskySolve(a, n, right, outputs);
  return right;
}

/**
 * Squared error of a fit on rows of which only the sums are known, by output: Σ (y − W·x − c)².
 *
 * @returns [groups · outputs]
 */
export function squaredErrors(moments: Moments, { weight, constant }: Fit): Float64Array {
  const { groups, inputs: n, outputs, rows, xx, yx, x, y, yy } = moments;
  const errors = new Float64Array(groups * outputs);
  const product = new Float64Array(n);
  for (let group = 0; group < groups; group++)
    for (let o = 0; o < outputs; o++) {
      const at = group * outputs + o;
      const w = weight.subarray(at * n, (at + 1) * n);
      const c = constant[at];
      product.fill(0);
      for (let i = 0; i < n; i++) {
        const wi = w[i];
        const row = group * n * n + i * n;
        if (wi !== 0) for (let j = 0; j < n; j++) product[j] += wi * xx[row + j];
      }
      let error = yy[at] - 2 * c * y[at] + rows * c * c;
      for (let i = 0; i < n; i++) error += w[i] * (product[i] - 2 * yx[at * n + i] + 2 * c * x[group * n + i]);
      errors[at] = Math.max(0, error);
    }
  return errors;
}

/** Σ (y − ȳ)² by output: what the errors are a share of. */
export function variation({ rows, y, yy }: Moments): Float64Array {
  return yy.map((sum, i) => Math.max(0, sum - (y[i] * y[i]) / rows));
}

export interface ChosenFit extends Fit {
  readonly lambda: number;
  /** Share of the targets' variation that is lost on the held-out rows: with the weights as they were, and with these. */
  readonly errorBefore: number;
  readonly errorAfter: number;
}

/** Ridges that are tried. */
const LAMBDAS: readonly number[] = [1e-3, 1e-2, 1e-1, 1];
/** From so many rows for each input on, the weakest ridge is as good as any and the others are not tried. */
const ROWS_PER_INPUT = 20;

const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

/**
 * Fits on one half of the images and chooses the ridge by the error on the other.
 *
 * @param before the layer as it is, to compare with
 * @param prior weights that the ridge holds to: those it had, but for targets that were scaled
 */
export function chooseFit(
  fitted: Moments,
  held: Moments,
  before: Fit,
  constant: boolean,
  prior: Float64Array = before.weight,
): ChosenFit {
  const whole = total(variation(held)) || 1;
  const errorBefore = total(squaredErrors(held, before)) / whole;
  const few = fitted.rows < ROWS_PER_INPUT * fitted.inputs;
  let best: ChosenFit | undefined;
  for (const lambda of few ? LAMBDAS : LAMBDAS.slice(0, 1)) {
    const fit = fitRidge(fitted, prior, { lambda, constant });
    const errorAfter = total(squaredErrors(held, fit)) / whole;
    if (!best || errorAfter < best.errorAfter) best = { ...fit, lambda, errorBefore, errorAfter };
  }
  return best as ChosenFit;
}
