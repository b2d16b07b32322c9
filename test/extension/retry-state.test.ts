import assert from 'node:assert/strict';
import test from 'node:test';
import { LastLines } from '../../src/extension/supervision/last-lines.ts';
import { RetryState } from '../../src/extension/supervision/retry-state.ts';

test('backs off 1, 2 and 4 seconds, then gives up', () => {
  const retry = new RetryState();
  assert.deepEqual(
    [retry.died(), retry.died(), retry.died()],
    [1000, 2000, 4000].map((afterMs) => ({ kind: 'retry', afterMs })),
  );
  assert.equal(retry.exhausted, false);
  assert.deepEqual(retry.died(), { kind: 'giveUp' });
  assert.equal(retry.exhausted, true);
});

test('starts over only after a success or when asked', () => {
  const retry = new RetryState([10, 20]);
  retry.died();
  assert.deepEqual(retry.died(), { kind: 'retry', afterMs: 20 });
  retry.succeeded();
  assert.deepEqual(retry.died(), { kind: 'retry', afterMs: 10 });
  retry.died();
  retry.died();
  assert.equal(retry.exhausted, true);
  retry.reset();
  assert.deepEqual(retry.died(), { kind: 'retry', afterMs: 10 });
});

test('keeps the last lines of a stream that comes in pieces', () => {
  const lines = new LastLines(2);
  assert.deepEqual(lines.push('one\ntw'), ['one']);
  assert.deepEqual(lines.push('o\r\n\nthree\nfo'), ['two', 'three']);
  assert.equal(lines.text, 'three\nfo');
});
