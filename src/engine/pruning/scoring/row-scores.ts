/** Sums of a parameter's element scores over its rows and over its columns, in double precision, in one pass. */
import type { GradientUse } from '../../../common/criteria.ts';
import type { ElementFormula } from './formulas/formula.ts';

export type Numbers = Float32Array | Float64Array;

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
  element: ElementFormula['element'],
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
