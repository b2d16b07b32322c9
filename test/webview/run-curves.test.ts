import assert from 'node:assert/strict';
import test from 'node:test';
import type { RunPoint } from '../../src/protocol/values.ts';
import { thin } from '../../webview/run/chart.ts';
import { pointsOf, seriesOf, stepsPerEpoch } from '../../webview/run/curves.ts';
import { linearScale, niceRange, ticks } from '../../webview/shared/axis.ts';

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
      ['step', true],
      ['epoch', false],
      ['other run', false],
    ],
  );
  assert.equal(seriesOf('top1', run, others)[1].points.length, 2);
  assert.notEqual(seriesOf('top1', run, others)[0].style, seriesOf('top1', run, others)[1].style);
});

test('a long run is thinned to what the screen can show, with its means', () => {
  const x = linearScale(0, 10_000, 0, 300);
  const points = Array.from({ length: 10_000 }, (_, i) => [i, i % 2] as const);
  const kept = thin(points, x);
  assert.ok(kept.length <= 202, String(kept.length));
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
