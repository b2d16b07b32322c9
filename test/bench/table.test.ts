import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableHead, tableLine } from '../../scripts/bench/table.ts';
import { computeTasks } from '../../scripts/bench/tasks.ts';

const cellsOf = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

test('every line has the columns of the head, with dashes for what was not measured', () => {
  const [head, rule] = tableHead.split('\n').map(cellsOf);
  assert.equal(rule.length, head.length);
  const full = tableLine({
    work: 'a | b',
    ours: 1500.4,
    other: 1000,
    atLeast: 1.1,
    rivals: { 'ONNX Runtime': 1200, OpenVINO: 900 },
    start: 2.34,
    peak: 3 * 2 ** 20,
    otherPeak: 2 ** 20,
    notes: ['one', 'two\nlines'],
  });
  assert.deepEqual(cellsOf(full), [
    'a / b',
    '1500/s',
    '1000/s',
    '1.50 ×',
    '1.10 ×',
    '1200/s',
    '900/s',
    '–',
    '2.3 s',
    '3 MiB',
    '1 MiB',
    'one; two lines',
  ]);
  const failed = tableLine({ work: 'x', notes: ['failed'] });
  assert.deepEqual(cellsOf(failed), ['x', ...Array(head.length - 3).fill('–'), '–', 'failed']);
});

test('tasks: bfloat16 and scoring on TensorFlow only, each name once', () => {
  const [tensorflow, embedded] = [computeTasks('tensorflow'), computeTasks('embedded')];
  const names = [...tensorflow, ...embedded].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(
    tensorflow.filter(({ products }) => products === 'bfloat16').map(({ kind, atLeast }) => [kind, atLeast]),
    [
      ['predict', 1.7],
      ['train', 1.3],
    ],
  );
  const scoring = tensorflow.filter(({ kind }) => kind === 'score');
  assert.deepEqual(
    scoring.map(({ batch, most }) => [batch, most]),
    [
      [64, 10],
      [64, 10],
    ],
  );
  assert.ok(embedded.every(({ kind, products, atLeast }) => kind !== 'score' && products === 'float32' && atLeast));
  assert.equal(embedded.length, tensorflow.length - 4);
});
