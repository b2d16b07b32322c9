import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Handover } from '../../../src/engine/jobs/handover.ts';

test('a handover gives its value once', () => {
  const handover = new Handover('weights');
  assert.equal(handover.take(), 'weights');
  assert.throws(() => handover.take(), /asked for twice/);
});
