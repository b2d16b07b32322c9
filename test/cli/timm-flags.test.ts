/** The paper's ConvNeXt scripts in our flags. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTimmFlags, timmFlags } from '../../src/cli/timm-flags.ts';
import { flagDefaults } from '../../src/common/flags.ts';

const defaults = { ...flagDefaults(timmFlags), batchSize: 128, interpolation: undefined };

test('nothing given, nothing changed', () => {
  assert.deepEqual(fromTimmFlags(defaults), {});
});

test('the flags of convnext_8.5G_official_script.sh', () => {
  const values = {
    ...defaults,
    sched: 'cosine',
    aa: 'rand-m9-mstd0.5-inc1',
    gradAccumSteps: 2,
    interpolation: 'bicubic',
    trainInterpolation: 'bicubic',
  } as const;
  assert.deepEqual(fromTimmFlags(values), {
    lrScheduler: 'cosineannealinglr',
    autoAugment: 'ra',
    raMagnitude: 9,
    colorJitter: undefined,
    interpolation: 'bicubic',
    batchSize: 256,
  });
});

test('what has no counterpart is bad usage', () => {
  for (const [changes, message] of [
    [{ aa: 'original' }, /--aa original is not known/],
    [{ aa: 'rand-inc1' }, /--aa rand-inc1 is not known/],
    [{ gradAccumSteps: 0 }, /--grad-accum-steps must be at least 1/],
    [{ trainInterpolation: 'bicubic', interpolation: 'bilinear' }, /must be the same/],
  ] as const)
    assert.throws(() => fromTimmFlags({ ...defaults, ...changes }), { name: 'UsageError', message });
});
