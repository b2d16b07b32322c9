/**
 * Sums and combinations by channel in WebAssembly SIMD. Numbers lie in rows of a period that is a multiple of 4: the channels, or four
 * times the channels where they are not.
 */
import { type Code, FunctionBuilder, f32x4, i32, type Local, v128 } from '../../../../common/assembler.ts';
import { advance, countDown, localsOf, parametersOf, times, VECTOR } from './loops.ts';

/** Vectors of a row that are summed together: a cache line. */
const WIDE = 4;

/**
 * Sums over rows for every position of the period. Parameters: addresses of the inputs, which advance by `row` bytes; of `mean`, a row; of
 * the results, a row each; row; rows; whole groups of four vectors in a row; vectors besides.
 */
function rowSums(
  name: string,
  inputs: number,
  results: number,
  terms: (inputs: readonly Code[], mean: Code, keep: (value: Code) => Code) => readonly Code[],
): FunctionBuilder {
  const f = new FunctionBuilder(name, inputs + 1 + results + 4);
  const parameters = parametersOf(f, inputs + 1 + results + 4);
  const columns = parameters.slice(0, inputs + 1 + results);
  const [sources, mean, sums] = [columns.slice(0, inputs), columns[inputs], columns.slice(inputs + 1)];
  const [row, rows, wide, narrow] = parameters.slice(inputs + 1 + results);
  const pointers = localsOf(f, 'i32', inputs);
  const left = f.local('i32');

  const block = (vectors: number): Code => {
    const means = localsOf(f, 'v128', vectors);
    const totals = Array.from({ length: vectors }, () => localsOf(f, 'v128', results));
    const kept: Local[] = [];
    const row4 = totals.map((total, v) => {
      const before: Code[] = [];
      const keep = (value: Code): Code => {
        const local = f.local('v128');
        kept.push(local);
        before.push(local.set(value));
        return local.get;
      };
      const loaded = pointers.map((pointer) => v128.load(pointer.get, VECTOR * v));
      const values = terms(loaded, means[v].get, keep);
      return [before, total.map((sum, i) => sum.set(f32x4.add(sum.get, values[i])))];
    });
    return [
      pointers.map((pointer, i) => pointer.set(sources[i].get)),
      means.map((local, v) => local.set(v128.load(mean.get, VECTOR * v))),
      totals.map((total) => total.map((sum) => sum.set(v128.zero()))),
      left.set(rows.get),
      f.repeatWhile(left.get, [row4, pointers.map((pointer) => advance(pointer, row.get)), countDown(left)]),
      sums.map((sum, i) => totals.map((total, v) => v128.store(sum.get, total[i].get, VECTOR * v))),
      columns.map((column) => advance(column, i32.const(VECTOR * vectors))),
    ];
  };
  f.body = [times(f, wide, block(WIDE)), times(f, narrow, block(1))];
  return f;
}

/** (x, mean) → Σ (x − mean)². */
export const squaredDeviations = (): FunctionBuilder =>
  rowSums('squaredDeviations', 1, 1, ([x], mean, keep) => {
    const deviation = keep(f32x4.sub(x, mean));
    return [f32x4.multiply(deviation, deviation)];
  });

/** (d, x, mean) → Σ d, Σ d (x − mean). */
export const gradientSums = (): FunctionBuilder =>
  rowSums('gradientSums', 2, 2, ([gradient, x], mean, keep) => {
    const d = keep(gradient);
    return [d, f32x4.multiply(d, f32x4.sub(x, mean))];
  });

/** (a, b, out, scaleA, scaleB, shift: rows; vectors in a row; rows) → out = a · scaleA + b · scaleB + shift. */
export function combine(): FunctionBuilder {
  const f = new FunctionBuilder('combine', 8);
  const [a, b, out, scaleA, scaleB, shift, vectors, rows] = parametersOf(f, 8);
  const factors = [scaleA, scaleB, shift];
  const ats = localsOf(f, 'i32', 3);
  const left = f.local('i32');
  const [atA, atB, atShift] = ats;
  const value = f32x4.add(
    f32x4.add(
      f32x4.multiply(v128.load(a.get), v128.load(atA.get)),
      f32x4.multiply(v128.load(b.get), v128.load(atB.get)),
    ),
    v128.load(atShift.get),
  );
  f.body = times(f, rows, [
    ats.map((at, i) => at.set(factors[i].get)),
    left.set(vectors.get),
    f.repeatWhile(left.get, [
      v128.store(out.get, value),
      [a, b, out, ...ats].map((at) => advance(at, i32.const(VECTOR))),
      countDown(left),
    ]),
  ]);
  return f;
}
