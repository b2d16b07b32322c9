import assert from 'node:assert/strict';
import test from 'node:test';
import type { CompareRow } from '../../src/protocol/panels.ts';
import { columns, verdict } from '../../webview/compare/comparison-columns.ts';
import { toCsv, toMarkdown } from '../../webview/compare/comparison-export.ts';
import { sorted } from '../../webview/compare/sorting.ts';

const row = (label: string, change: Partial<CompareRow> = {}): CompareRow => ({
  id: label,
  label,
  canCompareImages: true,
  source: { kind: 'file', path: `/models/${label}` },
  name: 'resnet20',
  dataPath: '/data',
  split: 'val',
  top1: 0.9,
  top5: 0.99,
  loss: 0.3,
  images: 1000,
  macs: 40_000_000,
  macsTrue: 40_000_000,
  params: 270_000,
  bytes: 1_100_000,
  imagesPerSecond: 800,
  backend: 'TensorFlow 2.21.0, CPU',
  device: 'a processor',
  latency: { p50Milliseconds: 2.5, runs: 100 },
  notes: [],
  ...change,
});

const dense = row('dense.pth');
const pruned = row('a, "half" | one.pth', { top1: 0.88, macs: 20_000_000, latency: undefined });
const column = (id: string) => columns.find((each) => each.id === id)!;

test('sorts by a figure, those without one last, and by name', () => {
  const names = (rows: readonly CompareRow[]): string[] => rows.map(({ id }) => id);
  assert.deepEqual(names(sorted([dense, pruned], { column: 'macs', descending: false })), [pruned.id, dense.id]);
  assert.deepEqual(names(sorted([pruned, dense], { column: 'latency', descending: true })), [dense.id, pruned.id]);
  assert.deepEqual(names(sorted([pruned, dense], { column: 'latency', descending: false })), [dense.id, pruned.id]);
  assert.deepEqual(names(sorted([dense, pruned], { column: 'label', descending: false })), [pruned.id, dense.id]);
  assert.deepEqual(names(sorted([dense, pruned], undefined)), [dense.id, pruned.id]);
});

test('differences: accuracies in points, the rest in shares, with what is good news', () => {
  const { top1, macs } = { top1: column('top1'), macs: column('macs') };
  assert.equal(top1.difference?.(0.88, 0.9), '−2.00');
  assert.equal(top1.difference?.(0.9, 0.9), '±0');
  assert.equal(macs.difference?.(20e6, 40e6), '−50 %');
  assert.equal(verdict(top1, 0.88, 0.9), 'bad');
  assert.equal(verdict(macs, 20e6, 40e6), 'good');
  assert.equal(verdict(macs, 40e6, 40e6), '');
});

test('CSV keeps full figures and quotes what needs it', () => {
  const [heading, first, second] = toCsv([dense, pruned]).split('\n');
  assert.equal(heading.split(',')[0], 'model');
  assert.match(first, /^dense\.pth,0\.9,0\.99,0\.3,40000000,/);
  assert.match(second, /^"a, ""half"" \| one\.pth",0\.88,/);
  assert.equal(heading.split(',').length, first.split(',').length - 1, 'the backend has a comma in quotes');
});

test('Markdown has a cell for every heading and escapes bars', () => {
  const lines = toMarkdown([dense, pruned]).split('\n');
  const cells = (line: string): number => line.replaceAll('\\|', '').split('|').length;
  assert.equal(new Set(lines.slice(0, 4).map(cells)).size, 1);
  assert.match(lines[3], /half" \\\| one/);
  assert.match(lines[3], /–/);
  assert.match(lines.join('\n'), /Measured with TensorFlow 2\.21\.0, CPU, a processor/);
});
