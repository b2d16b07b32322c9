import assert from 'node:assert/strict';
import test from 'node:test';
import type { RunPoint } from '../../src/protocol/values.ts';
import { moved, zoomed } from '../../webview/run/chart-view.ts';
import { bestEpoch, pointsOf, seriesOf, stepsPerEpoch } from '../../webview/run/curves.ts';
import { nearest, thin, within } from '../../webview/run/points.ts';
import { smoothed } from '../../webview/run/smooth.ts';
import { linearScale, logRange, logScale, logTicks, niceRange, ticks } from '../../webview/shared/axis.ts';

const step = (at: number, epoch: number, loss: number): RunPoint => ({ kind: 'step', step: at, epoch, loss });
const epoch = (at: number, lastStep: number, top1: number): RunPoint => ({
  kind: 'epoch',
  step: lastStep,
  epoch: at,
  top1,
  loss: 1 - top1,
});
const run = [step(0, 0, 2), step(1, 0, 1), epoch(0, 1, 0.5), step(2, 1, 0.8), step(3, 1, 0.6), epoch(1, 3, 0.7)];

test('steps stand at fractions of their epoch, epochs at their end', () => {
  assert.equal(stepsPerEpoch(run), 2);
  assert.deepEqual(
    pointsOf(run, 'step', 'loss').map(([x]) => x),
    [0.5, 1, 1.5, 2],
  );
  assert.deepEqual(pointsOf(run, 'epoch', 'top1'), [
    [1, 0.5],
    [2, 0.7],
  ]);
});

test('before the first epoch has ended, its length is what the run says', () => {
  assert.equal(stepsPerEpoch([step(0, 0, 2), step(1, 0, 1)]), 2);
  assert.equal(stepsPerEpoch([step(0, 0, 2)], 10), 10);
  assert.equal(stepsPerEpoch(run, 10), 2);
});

test('loss is drawn by step and by epoch, accuracy by epoch, compared runs with their own names', () => {
  const others = [{ id: 'b', title: 'other run', points: run }];
  assert.deepEqual(
    seriesOf('loss', run, others).map(({ label, faint = false }) => [label, faint]),
    [
      ['training, step', true],
      ['training, epoch', false],
      ['validation', false],
      ['other run', false],
    ],
  );
  assert.deepEqual(
    seriesOf('loss', run, [], undefined, 0.5).map(({ label, faint = false }) => [label, faint]),
    [
      ['training, step', true],
      ['training, step, smoothed', false],
      ['training, epoch', false],
      ['validation', false],
    ],
  );
  assert.equal(seriesOf('learningRate', run, [], undefined, 0.5).length, 1);
  assert.equal(seriesOf('top1', run, others)[1].points.length, 2);
  assert.notEqual(seriesOf('top1', run, others)[0].style, seriesOf('top1', run, others)[1].style);
});

test('a long run is thinned to what the screen can show, with its means', () => {
  const x = linearScale(0, 10_000, 0, 300);
  const points = Array.from({ length: 10_000 }, (_, i) => [i, i % 2] as const);
  const kept = thin(points, x);
  assert.ok(kept.length >= 100 && kept.length <= 202, String(kept.length));
  assert.ok(kept.every(([, y]) => Math.abs(y - 0.5) < 0.05));
  assert.equal(thin(points.slice(0, 2), x).length, 2);
});

test('ticks are round numbers inside the range', () => {
  assert.deepEqual(ticks(0, 3, 6), [0, 0.5, 1, 1.5, 2, 2.5, 3]);
  assert.deepEqual(ticks(0.128, 0.945, 5), [0.2, 0.4, 0.6, 0.8]);
  assert.deepEqual(ticks(5, 5, 4), [5]);
});

test('ranges leave room, keep zero where they begin there, and survive nothing at all', () => {
  assert.deepEqual(niceRange([]), [0, 1]);
  const [low, high] = niceRange([0.9, 0.95]);
  assert.ok(low < 0.9 && low > 0.89 && high > 0.95);
  assert.equal(niceRange([0, 5])[0], 0);
  assert.equal(niceRange([2, 3], [0])[0], 0);
  assert.deepEqual(niceRange([Number.NaN, 1, 1])[0] < 1, true);
});

test('validation loss is drawn where it was measured, at the ends of its epochs', () => {
  const measured = [step(0, 0, 2), { ...epoch(0, 1, 0.5), validationLoss: 0.9 }, epoch(1, 3, 0.6)];
  const validation = seriesOf('loss', measured, []).find(({ label }) => label === 'validation');
  assert.deepEqual(validation?.points, [[1, 0.9]]);
});

test('the best epoch is the earliest of equals; a run without epochs has none', () => {
  assert.equal(bestEpoch([epoch(0, 1, 0.7), epoch(1, 3, 0.8), epoch(2, 5, 0.8)])?.epoch, 1);
  assert.equal(bestEpoch([step(0, 0, 1)]), undefined);
});

test('smoothing starts at the first value, not at zero, and weighs as TensorBoard does', () => {
  const points = [2, 1, 4].map((y, x) => [x, y] as const);
  // Weights of the past, 0.5: 2; (2·½ + 1)/1.5; (2·¼ + 1·½ + 4)/1.75.
  const expected = [2, 2 / 1.5, 5 / 1.75];
  const found = smoothed(points, 0.5).map(([, y]) => y);
  assert.equal(found.length, expected.length);
  for (const [i, y] of expected.entries()) assert.ok(Math.abs(found[i] - y) < 1e-12);
  assert.deepEqual(smoothed(points, 0), points);
  assert.ok(
    smoothed(
      [
        [0, Number.NaN],
        [1, 3],
      ],
      0.5,
    )[1][1] === 3,
    'a value that is none does not spoil the rest',
  );
});

test('a logarithmic axis spaces powers of ten evenly, and says so in its ticks', () => {
  const y = logScale(0.001, 10, 0, 400);
  assert.deepEqual([y.at(0.001), y.at(0.01), y.at(10)].map(Math.round), [0, 100, 400]);
  assert.ok(Math.abs(y.invert(100) - 0.01) < 1e-9);
  assert.deepEqual(logTicks(0.001, 10), [0.001, 0.01, 0.1, 1, 10]);
  assert.deepEqual(logTicks(0.3, 6), [0.5, 1, 2, 5]);
  assert.deepEqual(logTicks(1.1, 1.4), [1.1, 1.2, 1.3, 1.4]);
  assert.deepEqual(logRange([0, -1]), [0.1, 1]);
  const [low, high] = logRange([0, 0.1, 10]);
  assert.ok(low < 0.1 && low > 0 && high > 10);
});

test('zooming keeps the place under the pointer and never leaves the run', () => {
  assert.deepEqual(zoomed(undefined, 10, 5, 2), [2.5, 7.5]);
  assert.deepEqual(zoomed([2.5, 7.5], 10, 5, 0.5), undefined);
  assert.deepEqual(zoomed(undefined, 10, 10, 2), [5, 10]);
  const [from, to] = zoomed(undefined, 10, 3, 1e9) as readonly [number, number];
  assert.ok(Math.abs(to - from - 0.1) < 1e-9 && from <= 3 && to >= 3);
  assert.deepEqual(moved([8, 10], 10, 0.5), [8, 10]);
  assert.deepEqual(moved([4, 6], 10, -0.5), [3, 5]);
});

test('a stretch has one more point on either side, so that its lines reach the edges', () => {
  const points = Array.from({ length: 10 }, (_, i) => [i, i] as const);
  assert.deepEqual(
    within(points, [2.5, 4.5]).map(([x]) => x),
    [2, 3, 4, 5],
  );
  assert.deepEqual(nearest(points, 3.4), [3, 3]);
  assert.deepEqual(nearest(points, 99), [9, 9]);
  assert.equal(nearest([], 1), undefined);
});
