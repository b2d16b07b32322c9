import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { collectGarbage } from '../../../src/engine/jobs/collect-garbage.ts';

const BYTES = 64 * 2 ** 20;
const held = (): number => process.memoryUsage().arrayBuffers;

/** In a function of its own: no frame that goes on holds the array. */
function allocate(): number {
  const array = new Uint8Array(BYTES).fill(1);
  return held() + array[0] - 1;
}

test('an array that nothing refers to is freed without waiting for memory to run short', async () => {
  const before = allocate();
  collectGarbage();
  // V8 gives the bytes back from a thread of its own, which may have to wait for a processor.
  for (let i = 0; i < 500 && before - held() < BYTES; i++) await setTimeout(10);
  assert.ok(before - held() >= BYTES, `${held()} bytes are held, ${before} were`);
});
