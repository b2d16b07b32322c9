/** Losses, orders and budgets against what trying everything gives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../../../src/engine/data/random.ts';
import { divergenceAt } from '../../../../src/engine/jobs/sensitivity.ts';
import { allocate, allowedWidths } from '../../../../src/engine/pruning/allocation/allocate.ts';
import { consumersOf } from '../../../../src/engine/pruning/allocation/consumers.ts';
import { eliminationOrder } from '../../../../src/engine/pruning/allocation/elimination.ts';
import { cheapestErrors } from '../../../../src/engine/pruning/allocation/knapsack.ts';
import { type DenseLayer, lostShares, refitWithout } from '../../../../src/engine/pruning/allocation/reconstruction.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import { compilePlanner } from '../../../../src/engine/pruning/planning/planner.ts';
import { planForTarget } from '../../../../src/engine/pruning/planning/target.ts';
import type { Scores } from '../../../../src/engine/pruning/scoring/importance.ts';
import { conv, network } from '../networks.ts';

/** A layer over correlated inputs, with rows enough to know them. */
function layer(seed: number, inputs: number, outputs: number): DenseLayer & { readonly rowsOfX: number[][] } {
  const random = new Random(seed);
  const mix = Array.from({ length: inputs * inputs }, () => random.float() - 0.5);
  const rowsOfX = Array.from({ length: 400 }, () => {
    const z = Array.from({ length: inputs }, () => random.float() - 0.3);
    return z.map((_, i) => z.reduce((sum, value, j) => sum + value * mix[i * inputs + j], 0));
  });
  const xx = new Float64Array(inputs * inputs);
  const x = new Float64Array(inputs);
  for (const row of rowsOfX)
    for (let i = 0; i < inputs; i++) {
      x[i] += row[i];
      for (let j = 0; j < inputs; j++) xx[i * inputs + j] += row[i] * row[j];
    }
  const weight = Float64Array.from({ length: inputs * outputs }, () => random.float() - 0.5);
  return { inputs, outputs, rows: rowsOfX.length, xx, x, weight, constant: true, rowsOfX };
}

/** Share of the outputs' variation that a refit without some inputs loses, by the rows themselves. */
function lostByRows(dense: DenseLayer & { readonly rowsOfX: number[][] }, kept: readonly number[]): number {
  const { inputs, outputs, weight, rowsOfX } = dense;
  const stays = new Uint8Array(inputs);
  for (const i of kept) stays[i] = 1;
  const refit = refitWithout(dense, stays);
  const output = (w: Float64Array, row: number[], o: number): number =>
    row.reduce((sum, value, i) => sum + value * w[o * inputs + i], 0);
  let lost = 0;
  let whole = 0;
  for (let o = 0; o < outputs; o++) {
    const y = rowsOfX.map((row) => output(weight, row, o));
    const mean = y.reduce((a, b) => a + b, 0) / y.length;
    rowsOfX.forEach((row, r) => {
      lost += (output(refit.weight, row, o) + refit.constant[o] - y[r]) ** 2;
      whole += (y[r] - mean) ** 2;
    });
  }
  return lost / whole;
}

test('the share that is lost at every width is what refits without those inputs lose', () => {
  const dense = layer(1, 7, 3);
  const order = Int32Array.of(4, 1, 0, 6, 2, 5, 3);
  const shares = lostShares(dense, order);
  assert.equal(shares[0], 1);
  assert.equal(shares[7], 0);
  for (let k = 1; k < 7; k++) {
    const tried = lostByRows(dense, [...order.subarray(0, k)]);
    assert.ok(Math.abs(shares[k] - tried) < 0.02 * tried + 2e-3, `${k} kept: ${shares[k]}, tried ${tried}`);
    assert.ok(shares[k] <= shares[k - 1]);
  }
});

test('each channel that goes is the one that the others make good best', () => {
  const dense = layer(2, 12, 4);
  // Six channels of two taps each; the last channel's inputs nearly repeat the first's.
  const inputsOf = [0, 1, 2, 3, 4, 5].map((c) => Int32Array.of(c, c + 6));
  const order = eliminationOrder([{ ...dense, inputsOf }], 6);
  assert.deepEqual([...order].sort(), [0, 1, 2, 3, 4, 5]);
  const gone: number[] = [];
  for (const channel of order.subarray(0, 4)) {
    const left = [0, 1, 2, 3, 4, 5].filter((c) => !gone.includes(c));
    const losses = left.map((c) =>
      lostByRows(
        dense,
        left.filter((other) => other !== c).flatMap((other) => [...inputsOf[other]]),
      ),
    );
    const mine = losses[left.indexOf(channel)];
    assert.ok(mine <= Math.min(...losses) + 5e-3, `${channel} loses ${mine}, the best ${Math.min(...losses)}`);
    gone.push(channel);
  }
});

test('options of least error within a budget are those that trying all gives', () => {
  const random = new Random(5);
  for (let round = 0; round < 200; round++) {
    const lists = Array.from({ length: 4 }, () =>
      Array.from({ length: 3 }, (_, width) => ({
        width,
        error: random.float(),
        cost: Math.floor(random.float() * 40),
      })),
    );
    const budget = 70;
    const all = Array.from({ length: 81 }, (_, code) => lists.map((list, i) => list[Math.floor(code / 3 ** i) % 3]));
    const leastWithin = (most: number): number =>
      Math.min(
        ...all
          .filter((chosen) => chosen.reduce((sum, { cost }) => sum + cost, 0) <= most)
          .map((chosen) => chosen.reduce((sum, { error }) => sum + error, 0)),
      );
    const best = leastWithin(budget);
    const places = cheapestErrors(lists, budget);
    if (!places) {
      assert.equal(best, Number.POSITIVE_INFINITY);
      continue;
    }
    const found = places.map((place, i) => lists[i][place]);
    assert.ok(found.reduce((sum, { cost }) => sum + cost, 0) <= budget);
    const error = found.reduce((sum, one) => sum + one.error, 0);
    // Costs are rounded up to the grid: a solution exactly at the budget may be missed by a step, one below it is not.
    const below = leastWithin(budget - 1);
    assert.ok(error >= best - 1e-12 && error <= below + 1e-12, `${error} against ${best} and ${below}`);
  }
  assert.equal(cheapestErrors([[{ width: 1, error: 0, cost: 5 }]], 4), undefined);
});

const twoConvs = () =>
  network((b, x) => conv(b, 'c', b.activation('', conv(b, 'b', conv(b, 'a', x, 16), 16), 'relu', { suffix: 'r' }), 8));

const scoresOf = (groups: ReturnType<typeof couple>): Scores => ({
  criterion: 'l1',
  normaliser: 'mean',
  channels: groups.groups.map(({ channels, frozen }) =>
    frozen === undefined
      ? Float64Array.from({ length: channels }, (_, i) => 1 + ((i * 7) % channels) / channels)
      : undefined,
  ),
});

test('consumers of a group are the layers that take its channels, entry by entry', () => {
  const groups = couple(twoConvs());
  const group = groups.groups.find(({ root }) => root === 'b');
  assert.ok(group);
  const consumers = consumersOf(groups, group);
  assert.deepEqual(
    consumers?.map(({ weight, channels, taps, entryOf }) => [weight, channels, taps, [...entryOf]]),
    [['c.weight', 16, 9, [...Array(16).keys()]]],
  );
});

test('budgets follow the errors, at or under the target, in allowed widths', () => {
  const groups = couple(twoConvs());
  const planner = compilePlanner(groups, scoresOf(groups));
  const options = { roundTo: 2 };
  const uniform = planForTarget(planner, options, { fraction: 0.5 });
  const id = (root: string): number => groups.groups.findIndex((group) => group.root === root && group.side === 'out');
  const curve = (root: string, cost: number) => {
    const group = groups.groups[id(root)];
    return {
      group: group.id,
      errors: Float64Array.from({ length: group.width + 1 }, (_, k) => cost * (1 - k / group.width)),
    };
  };
  const macs = planner.before.macs / 2;
  const plan = allocate(planner, uniform, [curve('a', 10), curve('b', 0.1), curve('c', 0.1)], macs);
  assert.ok(plan.after.macs <= macs);
  const widths = Object.fromEntries(
    plan.groups.flatMap(({ root, side, kept }) => (side === 'out' ? [[root, kept.length]] : [])),
  );
  const before = Object.fromEntries(
    uniform.groups.flatMap(({ root, side, kept }) => (side === 'out' ? [[root, kept.length]] : [])),
  );
  assert.ok(widths.a > before.a && widths.b < before.b, JSON.stringify({ widths, before }));
  for (const root of ['a', 'b', 'c']) assert.equal(widths[root] % 2, 0);
});

test('allowed widths are multiples and the whole, within the largest loss', () => {
  assert.deepEqual(allowedWidths(9, { roundTo: 4 }), [4, 8, 9]);
  assert.deepEqual(allowedWidths(8, { roundTo: 2, maxRatio: 0.5 }), [4, 6, 8]);
});

test('a divergence is read between what was measured, and never falls where more is lost', () => {
  const probes = [
    { lost: 0.5, divergence: 3 },
    { lost: 0.1, divergence: 1 },
    { lost: 0.3, divergence: 0.5 },
  ];
  const at = (lost: number): number => divergenceAt(probes, lost);
  assert.deepEqual([at(0), at(0.05), at(0.1), at(0.2), at(0.5), at(1)], [0, 0.5, 1, 1, 3, 6]);
  assert.equal(divergenceAt([], 0.5), 0);
});
