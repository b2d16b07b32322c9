import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest, gradient, image, weight } from './detfill.ts';

// Figures of the reference's detfill.py.
test('deterministic tensors equal the reference filler', () => {
  assert.deepEqual(
    [...weight('a.weight', [3, 4])].slice(0, 3),
    [0.8264431357383728, 0.26187369227409363, 0.25889164209365845],
  );
  const table = weight('x.relative_position_bias_table', [169, 3]);
  assert.deepEqual([...table].slice(-2), [0.18334883451461792, -0.10842876136302948]);
  assert.deepEqual([...weight('bn.running_var', [3])], [1.0360506772994995, 0.9102728962898254, 0.9715000987052917]);
  assert.deepEqual(
    [...weight('bn.running_mean', [3])],
    [0.02734331786632538, 0.034247882664203644, 0.0702226459980011],
  );
  assert.deepEqual([...weight('bn.weight', [3])], [1.4103450775146484, 0.6132075786590576, 1.3436082601547241]);
  assert.deepEqual([...weight('bn.bias', [3])], [-0.06270478665828705, -0.09086372703313828, 0.021343985572457314]);
  assert.deepEqual(
    [...gradient('fc.weight#1', [2, 2])],
    [-1.5118108987808228, -1.4781012535095215, 0.8129565119743347, 0.23581181466579437],
  );
  assert.deepEqual([...image().data].slice(-2), [0.5928435074165463, -0.6327619287185371].map(Math.fround));
});

test('digest equals the reference digest', () => {
  const { sum, weighted } = digest([40, 50], weight('a.weight', [40, 50]));
  assert.ok(Math.abs(sum - 0.6588238710246515) < 1e-12);
  assert.ok(Math.abs(weighted - 0.01374757433473306) < 1e-12);
});
