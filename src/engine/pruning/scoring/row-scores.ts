/** Sums of a parameter's element scores over its rows and over its columns, in double precision, in one pass. */
import type { Member } from '../coupling/groups.ts';

export type Numbers = Float32Array | Float64Array;

/** What gradients a criterion reads of each parameter: their sum, or the mean of their squares. */
export type GradientUse = 'none' | 'sum' | 'meanSquare';

export interface CriterionRule {
  readonly gradients: GradientUse;
  /** Members that the reference counts; depthwise convolutions and bare parameters never. */
  readonly counts: ReadonlySet<Member['kind']>;
  /** Score of one element; `g` is 0 where the criterion reads no gradient. */
  readonly element: (w: number, g: number) => number;
}

const WITH_NORMS: ReadonlySet<Member['kind']> = new Set(['conv', 'linear', 'batchNorm', 'layerNorm']);
const WITHOUT_BATCH_NORM: ReadonlySet<Member['kind']> = new Set(['conv', 'linear', 'layerNorm']);

/** Criteria that read parameters; `random` reads none. */
export const criterionRules = {
  l1: { gradients: 'none', counts: WITH_NORMS, element: (w) => Math.abs(w) },
  l2: { gradients: 'none', counts: WITH_NORMS, element: (w) => w * w },
  /** Molchanov et al. 2019, equation 8. */
  taylor: { gradients: 'sum', counts: WITHOUT_BATCH_NORM, element: (w, g) => Math.abs(w * g) },
  /** LeCun et al. 1989 with the diagonal of the empirical Fisher: w² times the mean of the samples' g². */
  hessian: { gradients: 'meanSquare', counts: WITH_NORMS, element: (w, g) => w * w * g },
} as const satisfies Record<string, CriterionRule>;

export interface RowScores {
  readonly rows: Float64Array;
  /** Undefined for a parameter of one dimension. */
  readonly columns?: Float64Array;
}

/** `shape`: [rows, columns, …rest] or [rows]. */
export function rowScores(
  shape: readonly number[],
  weights: Numbers,
  gradients: Numbers | undefined,
  element: CriterionRule['element'],
): RowScores {
  const [count, width = 1, ...kernel] = shape;
  const rest = kernel.reduce((a, b) => a * b, 1);
  const rows = new Float64Array(count);
  const columns = new Float64Array(width);
  let at = 0;
  for (let row = 0; row < count; row++) {
    let rowSum = 0;
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (const end = at + rest; at < end; at++) sum += element(weights[at], gradients ? gradients[at] : 0);
      rowSum += sum;
      columns[column] += sum;
    }
    rows[row] = rowSum;
  }
  return shape.length > 1 ? { rows, columns } : { rows };
}

/** The gradient that a criterion reads, from those of one sample or batch each: their sum, or the mean of their squares. */
export function combineGradients(samples: readonly Numbers[], use: GradientUse): Numbers | undefined {
  if (use === 'none' || !samples.length) return undefined;
  if (use === 'sum' && samples.length === 1) return samples[0];
  const combined = new Float64Array(samples[0].length);
  for (const sample of samples)
    for (let i = 0; i < combined.length; i++) combined[i] += use === 'sum' ? sample[i] : sample[i] * sample[i];
  if (use === 'meanSquare') for (let i = 0; i < combined.length; i++) combined[i] /= samples.length;
  return combined;
}
