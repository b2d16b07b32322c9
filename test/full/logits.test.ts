/** Logits of the reference's networks, the large ones too: what test/engine/compute/logits.test.ts leaves out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caseLogits, checkCaseLogits, SMALL_MODELS } from '../engine/compute/case-logits.ts';
import { noTensorFlow as skip } from '../support/logits.ts';

const large = [...caseLogits.keys()].filter((model) => !SMALL_MODELS.includes(model));

test('large networks compute the logits of the reference', { skip }, async (t) => {
  assert.equal(large.length + SMALL_MODELS.length, caseLogits.size);
  for (const model of large) await t.test(model, () => checkCaseLogits(model));
});
