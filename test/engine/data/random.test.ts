import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveSeed, permutation, Random } from '../../../src/engine/data/random.ts';
import { epochOrder } from '../../../src/engine/data/sampler.ts';

const moments = (n: number, draw: () => number): { mean: number; variance: number } => {
  const x = Array.from({ length: n }, draw);
  const mean = x.reduce((a, b) => a + b, 0) / n;
  return { mean, variance: x.reduce((a, b) => a + (b - mean) ** 2, 0) / n };
};
const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);

test('xoshiro128** gives its published sequence', () => {
  // State 1, 2, 3, 4: first outputs of the authors' C code.
  const random = new Random([1, 2, 3, 4]);
  assert.deepEqual([random.uint32(), random.uint32(), random.uint32(), random.uint32()], [11520, 0, 5927040, 70819200]);
});

test('a saved state goes on where it was', () => {
  const random = new Random(42);
  for (let i = 0; i < 10; i++) random.normal();
  const copy = new Random(JSON.parse(JSON.stringify(random.state)));
  for (let i = 0; i < 20; i++) assert.equal(copy.gamma(0.3), random.gamma(0.3));
});

test('distributions have their moments', () => {
  const random = new Random(7);
  const uniform = moments(40000, () => random.float());
  near(uniform.mean, 0.5, 0.005);
  near(uniform.variance, 1 / 12, 0.002);
  const normal = moments(40000, () => random.normal());
  near(normal.mean, 0, 0.02);
  near(normal.variance, 1, 0.03);
  for (const a of [0.2, 0.8, 1, 2.5]) {
    const gamma = moments(40000, () => random.gamma(a));
    near(gamma.mean, a, 0.04 * Math.max(1, a));
    near(gamma.variance, a, 0.12 * Math.max(1, a));
    const beta = moments(40000, () => random.beta(a, a));
    near(beta.mean, 0.5, 0.01);
    near(beta.variance, 1 / (4 * (2 * a + 1)), 0.01);
  }
  const counts = [0, 0, 0];
  for (let i = 0; i < 30000; i++) counts[random.int(3)] += 1;
  for (const count of counts) near(count, 10000, 300);
});

test('seeds derived from neighbouring parts are unrelated', () => {
  const seeds = new Set<number>();
  for (let seed = 0; seed < 10; seed++) {
    for (let epoch = 0; epoch < 10; epoch++) for (let i = 0; i < 100; i++) seeds.add(deriveSeed(seed, epoch, i));
  }
  assert.ok(seeds.size > 9995, `${seeds.size}`);
  assert.notEqual(deriveSeed(1, 2), deriveSeed(2, 1));
});

test('an epoch visits every sample once, in an order that seed and epoch decide', () => {
  const order = epochOrder(1000, 3, { shuffle: true, seed: 5 });
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.deepEqual(order, epochOrder(1000, 3, { shuffle: true, seed: 5 }));
  assert.notDeepEqual(order, epochOrder(1000, 4, { shuffle: true, seed: 5 }));
  assert.notDeepEqual(order, epochOrder(1000, 3, { shuffle: true, seed: 6 }));
  assert.deepEqual([...epochOrder(4, 9)], [0, 1, 2, 3]);
  // Every position is equally likely for sample 0.
  const positions = Array.from({ length: 4000 }, (_, seed) => permutation(8, seed).indexOf(0));
  for (let p = 0; p < 8; p++) near(positions.filter((x) => x === p).length, 500, 90);
});

test('repeated augmentation: r in a row, a multiple of 256 entries', () => {
  const order = epochOrder(1000, 0, { shuffle: true, seed: 1, repeats: 3 });
  assert.equal(order.length, 768);
  for (let i = 0; i < 768; i += 3) assert.ok(order[i] === order[i + 1] && order[i] === order[i + 2]);
  assert.equal(new Set(order).size, 256);
  assert.equal(epochOrder(100, 0, { shuffle: true, repeats: 3 }).length, 100);
});
