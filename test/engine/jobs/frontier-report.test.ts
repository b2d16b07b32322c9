import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrontierPoint } from '../../../src/engine/jobs/frontier.ts';
import { frontierCsv, frontierMarkdown, frontierSvg, ticks } from '../../../src/engine/jobs/frontier-report.ts';

const dense: FrontierPoint = {
  mode: 'dense',
  target: '100%',
  macs: 4e7,
  params: 3e5,
  top1: 0.8,
  images: 100,
  latency: 2,
  latencyRuns: 50,
};
const points: FrontierPoint[] = [
  dense,
  {
    ...dense,
    criterion: 'taylor',
    mode: 'repaired',
    target: '75%',
    macs: 3e7,
    top1: 0.75,
    agreement: 0.9,
    latency: 1.8,
  },
  {
    ...dense,
    criterion: 'taylor',
    mode: 'repaired',
    target: '50%',
    macs: 2e7,
    top1: 0.6,
    agreement: 0.7,
    latency: 1.5,
  },
];

test('the table and the CSV have a row for each point, with what it was measured on', () => {
  const report = { points, backend: 'TensorFlow' };
  const csv = frontierCsv(report).trim().split('\n');
  assert.equal(csv.length, 4);
  assert.equal(csv[1], ',dense,100%,40000000,300000,0.8,,100,,2,50');
  assert.equal(csv[3], 'taylor,repaired,50%,20000000,300000,0.6,,100,0.7,1.5,50');
  const markdown = frontierMarkdown(report, 'net');
  assert.match(
    markdown,
    /\| taylor, repaired \| 50% \| 20\.00 M \(50\.0 %\) \| 0\.30 M \| 60\.00 % \| 70\.00 % \| 1\.50 ms \|/,
  );
  assert.match(markdown, /Top-1 on 100 images\./);
  const some = points.map((point, i) => ({ ...point, top1Among: [0.95, 0.9, 0.85][i] }));
  const among = frontierMarkdown({ points: some, backend: 'x' }, 'net');
  assert.match(among, /\| 60\.00 % \| 85\.00 % \| 70\.00 % \|/);
  assert.match(among, /of all classes and of those alone that have a folder/);
});

test('the picture has a dot for each point in both charts, inside it, and takes no markup from names', () => {
  const svg = frontierSvg({ points, backend: '<b>' }, 'a "net" & <script>');
  const dots = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);
  assert.equal(dots.length, 4);
  for (const [x, y] of dots) assert.ok(x > 0 && x < 960 && y > 0 && y < 360);
  // Fewer MACs stand further left, higher accuracy higher up.
  assert.ok(dots[1][0] < dots[0][0] && dots[1][1] > dots[0][1]);
  assert.ok(!svg.includes('<script>') && !svg.includes('<b>'));
  const unlabelled = points.map(({ top1: _, images: __, ...point }) => point);
  assert.match(frontierSvg({ points: unlabelled, backend: 'x' }, 'n'), /same class as the dense network/);
});

test('ticks are round and span the range', () => {
  assert.deepEqual(ticks(0.13, 0.87), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(18, 41), [15, 20, 25, 30, 35, 40, 45]);
});
