/** Twenty kills at random moments, each resumed: the result is the unbroken run's, bit for bit. */
import { test } from 'node:test';
import { assertSurvivesKills } from '../cli/killed-runs.ts';
import { skipWithoutRuntime, tinyImages, workFolder } from '../engine/training/tiny.ts';

const work = workFolder();

test('killed twenty times, it comes to the same result', { skip: skipWithoutRuntime }, async () => {
  await assertSurvivesKills(work, await tinyImages(work), 20, 20);
});
