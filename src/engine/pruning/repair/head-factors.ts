/**
 * The best fewer dimensions of an attention head: not a choice of its own ones, but the pair of maps whose product is
 * nearest to the dense one (singular values of q·kᵀ, and of the values with the projection, weighted by second moments).
 */
import { cholesky } from './cholesky.ts';
import { singularValues } from './singular-values.ts';

/**
 * Added to the diagonal of second moments, as shares of its mean, until they can be factored: sums in float32 of dimensions
 * that say nothing come out a little negative.
 */
const JITTERS = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3];

/** Lower factor of a head's second moments [dims, dims], row-major. */
function factor(moments: Float64Array, dims: number): Float64Array | undefined {
  let trace = 0;
  for (let i = 0; i < dims; i++) trace += moments[i * (dims + 1)];
  if (!(trace > 0)) return undefined;
  for (const jitter of JITTERS) {
    const l = Float64Array.from(moments);
    for (let i = 0; i < dims; i++) l[i * (dims + 1)] += (jitter * trace) / dims;
    if (!cholesky(l, dims)) continue;
    for (let i = 0; i < dims; i++) for (let j = i + 1; j < dims; j++) l[i * dims + j] = 0;
    return l;
  }
  return undefined;
}

/** x with Lᵀ x = b. */
function solveTransposed(l: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  const x = Float64Array.from(b);
  for (let i = n - 1; i >= 0; i--) {
    for (let j = i + 1; j < n; j++) x[i] -= l[j * n + i] * x[j];
    x[i] /= l[i * n + i];
  }
  return x;
}

/** Maps of one head: rows of [fewer, dims]. */
export interface ProductMaps {
  readonly queries: readonly Float64Array[];
  readonly keys: readonly Float64Array[];
}

/**
 * Maps T, S with (T q)ᵀ (S k) nearest to qᵀ k, over queries and keys of these second moments, independent of each other.
 *
 * @param queries E[q qᵀ], [dims, dims]
 * @returns undefined where a head says nothing
 */
export function productMaps(
  queries: Float64Array,
  keys: Float64Array,
  dims: number,
  fewer: number,
): ProductMaps | undefined {
  const [l, m] = [factor(queries, dims), factor(keys, dims)];
  if (!l || !m) return undefined;
  // qᵀ k = (L⁻¹ q)ᵀ (Lᵀ M) (M⁻¹ k), and L⁻¹ q and M⁻¹ k have the identity as second moments.
  const core = Array.from({ length: dims }, (_, j) =>
    Float64Array.from({ length: dims }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < dims; k++) sum += l[k * dims + i] * m[k * dims + j];
      return sum;
    }),
  );
  const { u, v, values } = singularValues(core);
  const maps = (lower: Float64Array, sides: readonly Float64Array[]): Float64Array[] =>
    sides.slice(0, fewer).map((side, i) =>
      solveTransposed(
        lower,
        side.map((value) => value * Math.sqrt(values[i])),
      ),
    );
  return { queries: maps(l, u), keys: maps(m, v) };
}

export interface ValueMaps {
  /** Rows of [fewer, dims]. */
  readonly values: readonly Float64Array[];
  /** Columns of the projection for the new dims: [fewer][outputs]. */
  readonly projection: readonly Float64Array[];
}

/**
 * The map T and columns P with P T v nearest to W v.
 *
 * @param moments E[v vᵀ], [dims, dims]
 * @param columns W: the projection's columns of the head, [dims][outputs]
 */
export function valueMaps(
  moments: Float64Array,
  columns: readonly Float64Array[],
  fewer: number,
): ValueMaps | undefined {
  const dims = columns.length;
  const l = factor(moments, dims);
  if (!l) return undefined;
  // W v = (W L) (L⁻¹ v): the leading right sides of W L are what is kept of L⁻¹ v.
  const outputs = columns[0].length;
  const product = Array.from({ length: dims }, (_, j) => {
    const column = new Float64Array(outputs);
    for (let k = j; k < dims; k++) for (let o = 0; o < outputs; o++) column[o] += columns[k][o] * l[k * dims + j];
    return column;
  });
  const { u, v, values } = singularValues(product);
  let trace = 0;
  for (let i = 0; i < dims; i++) trace += moments[i * (dims + 1)];
  // As large as the dense values, so that a ridge over all heads holds each alike.
  const scale = Math.sqrt(trace / dims);
  return {
    values: v.slice(0, fewer).map((side) =>
      solveTransposed(
        l,
        side.map((value) => value * scale),
      ),
    ),
    projection: u.slice(0, fewer).map((side, i) => side.map((value) => (value * values[i]) / scale)),
  };
}
