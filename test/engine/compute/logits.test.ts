import { test } from 'node:test';
import { noTensorFlow as skip } from '../../support/logits.ts';
import { checkCaseLogits, SMALL_MODELS } from './case-logits.ts';

test('whole networks compute the logits of the reference', { skip }, async (t) => {
  for (const model of SMALL_MODELS) await t.test(model, () => checkCaseLogits(model));
});
