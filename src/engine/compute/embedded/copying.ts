/** Moving numbers between arrays: what slices, paddings, transposes and strided views are made of. Sizes and offsets count elements. */

/** A run of equal steps through memory: `count` steps, each `from` in the source and `to` in the destination. */
export interface Loop {
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/** Blocks shorter than this are copied element by element: a call per block would cost more. */
const SHORT = 48;

function copyBlock(source: Float32Array, from: number, target: Float32Array, to: number, length: number): void {
  if (length < SHORT) for (let i = 0; i < length; i++) target[to + i] = source[from + i];
  else target.set(source.subarray(from, from + length), to);
}

/** Copies contiguous blocks of `length` at every combination of the loops' steps. */
export function copyBlocks(
  source: Float32Array,
  from: number,
  target: Float32Array,
  to: number,
  loops: readonly Loop[],
  length: number,
): void {
  if (loops.length === 0) {
    copyBlock(source, from, target, to, length);
    return;
  }
  const [loop, ...inner] = loops;
  if (inner.length) {
    for (let i = 0; i < loop.count; i++)
      copyBlocks(source, from + i * loop.from, target, to + i * loop.to, inner, length);
    return;
  }
  for (let i = 0; i < loop.count; i++) copyBlock(source, from + i * loop.from, target, to + i * loop.to, length);
}

/** Side of the squares in which a matrix is transposed: what is read and written stays in the cache. */
const TILE = 16;

/** Copies the two loops' plane, element by element, in tiles. */
function copyPlane(source: Float32Array, from: number, target: Float32Array, to: number, a: Loop, b: Loop): void {
  for (let i0 = 0; i0 < a.count; i0 += TILE) {
    const i1 = Math.min(i0 + TILE, a.count);
    for (let j0 = 0; j0 < b.count; j0 += TILE) {
      const j1 = Math.min(j0 + TILE, b.count);
      for (let i = i0; i < i1; i++) {
        let p = from + i * a.from + j0 * b.from;
        let q = to + i * a.to + j0 * b.to;
        for (let j = j0; j < j1; j++) {
          target[q] = source[p];
          p += b.from;
          q += b.to;
        }
      }
    }
  }
}

/** The loops with neighbours that step through memory as one joined; single steps left out. */
function simplified(loops: readonly Loop[]): Loop[] {
  const joined: Loop[] = [];
  for (const loop of loops.filter(({ count }) => count > 1)) {
    const last = joined.at(-1);
    if (last && last.from === loop.from * loop.count && last.to === loop.to * loop.count)
      joined[joined.length - 1] = { ...loop, count: last.count * loop.count };
    else joined.push(loop);
  }
  return joined;
}

/** Copies single elements at every combination of the loops' steps, whatever their order. */
export function copyElements(source: Float32Array, target: Float32Array, to: number, loops: readonly Loop[]): void {
  const order = simplified(loops);
  const block = order.findIndex((loop) => loop.from === 1 && loop.to === 1);
  if (block >= 0 || order.length < 2) {
    const contiguous = block >= 0 ? order[block] : undefined;
    const others = order.filter((_, i) => i !== block);
    copyBlocks(source, 0, target, to, others, contiguous?.count ?? 1);
    return;
  }
  // The plane of the dimensions that lie together in the source and in the target is copied in tiles.
  const read = order.reduce((best, loop) => (loop.from < best.from ? loop : best));
  const write = order.filter((loop) => loop !== read).reduce((best, loop) => (loop.to < best.to ? loop : best));
  const others = order.filter((loop) => loop !== read && loop !== write);
  const visit = (depth: number, p: number, q: number): void => {
    if (depth === others.length) {
      copyPlane(source, p, target, q, read, write);
      return;
    }
    const { count, from, to: step } = others[depth];
    for (let i = 0; i < count; i++) visit(depth + 1, p + i * from, q + i * step);
  };
  visit(0, 0, to);
}

/** Row-major steps of a shape. */
export function steps(shape: readonly number[]): number[] {
  const result = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) result[i] = result[i + 1] * shape[i + 1];
  return result;
}

/** Dimension i of the result is dimension permutation[i] of the source. */
export function transposeInto(
  source: Float32Array,
  shape: readonly number[],
  permutation: readonly number[],
  target: Float32Array,
): void {
  const read = steps(shape);
  const write = steps(permutation.map((d) => shape[d]));
  copyElements(
    source,
    target,
    0,
    permutation.map((d, i) => ({ count: shape[d], from: read[d], to: write[i] })),
  );
}
