import assert from 'node:assert/strict';
import test from 'node:test';
import { accuracyMargin, formatAccuracy } from '../../src/common/confidence.ts';

test('the margin of an accuracy is half of Wilson’s interval', () => {
  // statsmodels proportion_confint(1528, 2000, method='wilson', alpha=0.05): 0.74488 … 0.78210.
  assert.ok(Math.abs(accuracyMargin(0.764, 2000) - 0.01861) < 2e-5);
  assert.equal(formatAccuracy(0.764, 2000), '76.4 ± 1.9 %');
  assert.equal(formatAccuracy(0.764, 2000, 2), '76.40 ± 1.86 %');
});

test('all right on few images is not certainty, and nothing counted is no margin', () => {
  assert.ok(accuracyMargin(1, 20) > 0.08);
  assert.ok(accuracyMargin(0, 20) > 0.08);
  assert.equal(accuracyMargin(0.5, 0), 0);
});
