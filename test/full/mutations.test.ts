import assert from 'node:assert/strict';
import { test } from 'node:test';
import { campaign } from '../engine/checkpoint/mutate.ts';

const FILES = 10_000;

test('10,000 damaged files of every format open or are refused with a message', async () => {
  const { opened, refused, failures } = await campaign(0, FILES);
  assert.deepEqual(failures, []);
  assert.equal(opened + refused, FILES);
});
