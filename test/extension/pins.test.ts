/** Pins of layers, side by side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedPins } from '../../src/extension/model/pins.ts';

test('sides of a layer are pinned and freed one by one, other layers stay', () => {
  const other = { layer: 'conv2', side: 'in' } as const;
  const out = changedPins([other], 'conv1', 'out', true);
  assert.deepEqual(out, [other, { layer: 'conv1', side: 'out' }]);
  const both = changedPins(out, 'conv1', 'in', true);
  assert.deepEqual(both, [other, { layer: 'conv1', side: 'both' }]);
  assert.deepEqual(changedPins(both, 'conv1', 'out', false), [other, { layer: 'conv1', side: 'in' }]);
  assert.deepEqual(changedPins(both, 'conv1', 'both', false), [other]);
  assert.deepEqual(changedPins([other], 'conv1', 'both', true), [other, { layer: 'conv1', side: 'both' }]);
  assert.deepEqual(changedPins([other], 'conv1', 'out', false), [other]);
});
