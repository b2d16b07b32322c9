/** Arrays of the reference interpreter: double precision, row-major, and the index arithmetic that its kernels share. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function values(shape: readonly number[], data?: ArrayLike<number>): Values {
  if (data && data.length !== count(shape)) throw new Error(`${data.length} numbers for [${shape}]`);
  return { shape, data: data ? Float64Array.from(data) : new Float64Array(count(shape)) };
}

export function strides(shape: readonly number[]): number[] {
  const out = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) out[i] = out[i + 1] * shape[i + 1];
  return out;
}

/** Calls `visit(index, flat)` for every element in order; `index` is reused. */
export function forEachIndex(shape: readonly number[], visit: (index: readonly number[], flat: number) => void): void {
  const index = shape.map(() => 0);
  const total = count(shape);
  for (let flat = 0; flat < total; flat++) {
    visit(index, flat);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]++;
      if (index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

export function offset(index: readonly number[], step: readonly number[]): number {
  let at = 0;
  for (let i = 0; i < index.length; i++) at += index[i] * step[i];
  return at;
}

/** Strides that read `shape` as if it were broadcast to `to`: 0 where it is repeated. */
export function broadcastStrides(shape: readonly number[], to: readonly number[]): number[] {
  const own = strides(shape);
  const shift = to.length - shape.length;
  return to.map((_, i) => (i < shift || shape[i - shift] === 1 ? 0 : own[i - shift]));
}

/** A new array whose element at each index is `source(index)` of x. */
export function gatherBy(x: Values, shape: readonly number[], step: readonly number[], start = 0): Values {
  const out = values(shape);
  forEachIndex(shape, (index, flat) => {
    out.data[flat] = x.data[start + offset(index, step)];
  });
  return out;
}

export const mapValues = (x: Values, f: (value: number, flat: number) => number): Values => ({
  shape: x.shape,
  data: x.data.map(f),
});

/** f(a, b) with broadcasting from the right. */
export function zip(a: Values, b: Values, shape: readonly number[], f: (x: number, y: number) => number): Values {
  const out = values(shape);
  const [sa, sb] = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)];
  forEachIndex(shape, (index, flat) => {
    out.data[flat] = f(a.data[offset(index, sa)], b.data[offset(index, sb)]);
  });
  return out;
}
