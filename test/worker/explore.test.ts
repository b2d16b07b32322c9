/** What an exploration of the trade-off is refused for; test/full/trade-off.test.ts has one that is carried out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_PLAN } from '../../src/protocol/values.ts';
import { explore } from './exploring.ts';

test('what the exploration would not respect is refused', async () => {
  for (const change of [{ removeLayers: 1 }, { scopeRatios: { conv1: 0.5 } }])
    await assert.rejects(explore({ ...DEFAULT_PLAN, ...change }), /free the scopes .* blocks to remove to 0/);
});
