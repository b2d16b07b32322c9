import assert from 'node:assert/strict';
import test from 'node:test';
import { dataWarnings } from '../../src/extension/dataset/data-warnings.ts';

const split = (name: string, images: number, classes: number) => ({ name, images, classes });

test('enough images of all classes: nothing to say', () => {
  assert.deepEqual(dataWarnings({ modelClasses: 10, splits: [split('train', 3000, 10), split('val', 1000, 10)] }), []);
});

test('one class, few images, some of the classes', () => {
  assert.deepEqual(dataWarnings({ modelClasses: 10, splits: [split('val', 500, 1)] }), [
    { kind: 'oneClass', split: 'val' },
  ]);
  // 1.96 · √(½ · ½ / 24) = 0.2001: rounded up, never down.
  assert.deepEqual(dataWarnings({ modelClasses: 2, splits: [split('val', 24, 2)] }), [
    { kind: 'few', split: 'val', images: 24, points: 21 },
  ]);
  assert.deepEqual(dataWarnings({ modelClasses: 10, splits: [split('train', 200, 4), split('val', 200, 4)] }), [
    { kind: 'someClasses', split: 'train', classes: 4, of: 10 },
  ]);
  assert.deepEqual(dataWarnings({ modelClasses: 1, splits: [split('train', 200, 1)] }), []);
});
