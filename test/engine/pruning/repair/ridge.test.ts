/** Systems and least squares fits against answers that are known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../../../src/engine/data/random.ts';
import { cholesky, choleskySolve } from '../../../../src/engine/pruning/repair/cholesky.ts';
import { MomentSums, type Moments, mergeMoments } from '../../../../src/engine/pruning/repair/moments.ts';
import { chooseFit, fitRidge, squaredErrors, variation } from '../../../../src/engine/pruning/repair/ridge.ts';

const random = (seed: number, count: number): Float64Array => {
  const source = new Random(seed);
  return Float64Array.from({ length: count }, () => source.float() - 0.5);
};

for (const n of [1, 5, 64, 65, 131, 200])
  test(`a system of ${n} unknowns and 7 right sides is solved`, () => {
    const root = random(n, n * n);
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        for (let k = 0; k < n; k++) a[i * n + j] += root[i * n + k] * root[j * n + k];
        if (i === j) a[i * n + j] += 0.1;
      }
    const x = random(n + 1, 7 * n);
    const right = new Float64Array(7 * n);
    for (let r = 0; r < 7; r++)
      for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) right[r * n + i] += a[i * n + k] * x[r * n + k];
    assert.ok(cholesky(a, n));
    choleskySolve(a, n, right, 7);
    right.forEach((value, i) => {
      assert.ok(Math.abs(value - x[i]) < 1e-9, `unknown ${i} is ${value}, not ${x[i]}`);
    });
  });

test('a matrix that is not positive definite is refused', () => {
  assert.equal(cholesky(Float64Array.of(1, 2, 2, 1), 2), false);
  assert.equal(cholesky(Float64Array.of(0), 1), false);
});

/** Sums over rows given as arrays: x [groups][rows][inputs], y [groups][rows][outputs]. */
function momentsOf(x: number[][][], y: number[][][]): Moments {
  const [inputs, outputs, rows] = [x[0][0].length, y[0][0].length, x[0].length];
  const total = (group: number, a: (row: number) => number): number =>
    x[group].reduce((sum, _, row) => sum + a(row), 0);
  const each = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
  const sums = new MomentSums({ groups: x.length, inputs, outputs });
  const over = (f: (g: number) => number[]): number[] => x.flatMap((_, g) => f(g));
  sums.add(
    {
      xx: over((g) => each(inputs, (i) => each(inputs, (j) => total(g, (r) => x[g][r][i] * x[g][r][j]))).flat()),
      yx: over((g) => each(outputs, (o) => each(inputs, (i) => total(g, (r) => y[g][r][o] * x[g][r][i]))).flat()),
      x: over((g) => each(inputs, (i) => total(g, (r) => x[g][r][i]))),
      y: over((g) => each(outputs, (o) => total(g, (r) => y[g][r][o]))),
      yy: over((g) => each(outputs, (o) => total(g, (r) => y[g][r][o] ** 2))),
    },
    rows,
  );
  return sums.moments;
}

/** Two groups of y = W x + c, with noise where asked. */
function linearRows(seed: number, rows: number, noise = 0): Moments {
  const values = random(seed, 10_000);
  let at = 0;
  const x = [0, 1].map(() => Array.from({ length: rows }, () => [0, 1, 2].map(() => values[at++ % 10_000] * 2)));
  const y = x.map((group, g) =>
    group.map((row) =>
      WEIGHTS[g].map(
        (w, o) => CONSTANTS[g][o] + w.reduce((s, v, i) => s + v * row[i], 0) + noise * values[at++ % 10_000],
      ),
    ),
  );
  return momentsOf(x, y);
}
const WEIGHTS = [
  [
    [1, 2, 3],
    [0, -1, 0.5],
  ],
  [
    [4, 0, 0],
    [1, 1, 1],
  ],
];
const CONSTANTS = [
  [0.5, -2],
  [10, 0],
];
const ZEROS = new Float64Array(12);

test('weights and constant come back from rows that they made, group by group', () => {
  const moments = linearRows(1, 50);
  const fit = fitRidge(moments, ZEROS, { lambda: 1e-12, constant: true });
  WEIGHTS.flat(2).forEach((w, i) => {
    assert.ok(Math.abs(fit.weight[i] - w) < 1e-6);
  });
  CONSTANTS.flat().forEach((c, i) => {
    assert.ok(Math.abs(fit.constant[i] - c) < 1e-6);
  });
  for (const error of squaredErrors(moments, fit)) assert.ok(error < 1e-6);
});

test('the ridge holds to the weights as they were; without rows that say anything they stay', () => {
  const moments = linearRows(1, 50);
  const prior = Float64Array.from(WEIGHTS.flat(2), (w) => w + 1);
  const held = fitRidge(moments, prior, { lambda: 1e9, constant: true });
  held.weight.forEach((w, i) => {
    assert.ok(Math.abs(w - prior[i]) < 1e-6);
  });
  const nothing = momentsOf([[[0, 0]]], [[[3]]]);
  const kept = fitRidge(nothing, [7, 8], { lambda: 1e-3, constant: true });
  assert.deepEqual([[...kept.weight], [...kept.constant]], [[7, 8], [3]]);
});

test('without a constant none is fitted, and an error is that of the rows themselves', () => {
  const x = [[[1], [2], [3]]];
  const y = [[[2], [5], [5]]];
  const moments = momentsOf(x, y);
  const fit = fitRidge(moments, [0], { lambda: 0, constant: false });
  const w = (2 + 10 + 15) / 14;
  assert.ok(Math.abs(fit.weight[0] - w) < 1e-12);
  assert.equal(fit.constant[0], 0);
  const wanted = (2 - w) ** 2 + (5 - 2 * w) ** 2 + (5 - 3 * w) ** 2;
  assert.ok(Math.abs(squaredErrors(moments, fit)[0] - wanted) < 1e-12);
  assert.ok(Math.abs(variation(moments)[0] - 6) < 1e-12);
});

test('with few and noisy rows a stronger ridge is chosen by what is held out', () => {
  const few = linearRows(3, 4, 4);
  const held = linearRows(4, 200, 4);
  const prior = { weight: Float64Array.from(WEIGHTS.flat(2)), constant: new Float64Array(4) };
  const chosen = chooseFit(few, held, prior, true);
  assert.ok(chosen.lambda > 1e-3, `λ ${chosen.lambda}`);
  const weakest = fitRidge(few, prior.weight, { lambda: 1e-3, constant: true });
  const sum = (errors: Float64Array): number => errors.reduce((a, b) => a + b, 0);
  assert.ok(sum(squaredErrors(held, chosen)) < sum(squaredErrors(held, weakest)));
  const many = chooseFit(linearRows(5, 100, 1), held, prior, true);
  assert.equal(many.lambda, 1e-3);
  assert.ok(many.errorAfter < many.errorBefore);
});

test('sums of two parts are the sums of all', () => {
  const both = mergeMoments(linearRows(1, 20), linearRows(2, 30));
  assert.equal(both.rows, 50);
  const fit = fitRidge(both, ZEROS, { lambda: 1e-12, constant: true });
  assert.ok(Math.abs(fit.weight[2] - 3) < 1e-6);
});
