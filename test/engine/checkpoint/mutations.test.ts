import assert from 'node:assert/strict';
import { test } from 'node:test';
import { campaign } from './mutate.ts';

/** About a minute of them; test/full has all. */
const FILES = 1500;

test('damaged files of every format open or are refused with a message', async () => {
  const { opened, refused, failures } = await campaign(0, FILES);
  assert.deepEqual(failures, []);
  assert.ok(opened > FILES / 100 && refused > FILES / 4, `${opened} opened, ${refused} refused`);
});
