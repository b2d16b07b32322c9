/** Singular values of small square matrices: one-sided Jacobi rotations (Hestenes 1958), enough for a head's dimensions. */

export interface SingularValues {
  /** Columns of U and V, largest value first: u[j] and v[j] belong to values[j]. */
  readonly u: readonly Float64Array[];
  readonly v: readonly Float64Array[];
  readonly values: readonly number[];
}

const SWEEPS = 60;
const TOLERANCE = 1e-13;

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i], 0);

function rotate(a: Float64Array, b: Float64Array, c: number, s: number): void {
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]];
    a[i] = c * x - s * y;
    b[i] = s * x + c * y;
  }
}

/**
 * A = U · diag(values) · Vᵀ.
 *
 * @param columns of A, n of length m
 */
export function singularValues(columns: readonly Float64Array[]): SingularValues {
  const n = columns.length;
  const a = columns.map((column) => Float64Array.from(column));
  const v = a.map((_, j) => Float64Array.from({ length: n }, (_, i) => Number(i === j)));
  for (let sweep = 0, isDone = false; sweep < SWEEPS && !isDone; sweep++) {
    isDone = true;
    for (let p = 0; p < n - 1; p++)
      for (let q = p + 1; q < n; q++) {
        const [alpha, beta, gamma] = [dot(a[p], a[p]), dot(a[q], a[q]), dot(a[p], a[q])];
        if (Math.abs(gamma) <= TOLERANCE * Math.sqrt(alpha * beta)) continue;
        isDone = false;
        const zeta = (beta - alpha) / (2 * gamma);
        const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const c = 1 / Math.sqrt(1 + t * t);
        rotate(a[p], a[q], c, c * t);
        rotate(v[p], v[q], c, c * t);
      }
  }
  const norms = a.map((column) => Math.sqrt(dot(column, column)));
  const order = norms.map((_, j) => j).sort((i, j) => norms[j] - norms[i]);
  return {
    u: order.map((j) => a[j].map((value) => (norms[j] > 0 ? value / norms[j] : 0))),
    v: order.map((j) => v[j]),
    values: order.map((j) => norms[j]),
  };
}
