import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectGarbage } from '../../src/support/collect-garbage.ts';

test('an array that nothing refers to is freed at once', () => {
  const bytes = 64 * 2 ** 20;
  const holder: { array?: Uint8Array } = { array: new Uint8Array(bytes) };
  const before = process.memoryUsage().arrayBuffers;
  holder.array = undefined;
  collectGarbage();
  assert.ok(before - process.memoryUsage().arrayBuffers >= bytes);
});
