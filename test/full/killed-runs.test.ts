/** Fifty kills of each backend at random moments, each resumed without naming it: the result is the unbroken run's, bit for bit. */
import { test } from 'node:test';
import { assertSurvivesKills } from '../cli/killed-runs.ts';
import { skipWithoutRuntime, tinyImages, workFolder } from '../engine/training/tiny.ts';

const work = workFolder();
const KILLS = 50;

for (const [backend, skip] of [
  ['tensorflow', skipWithoutRuntime],
  ['embedded', false],
] as const)
  test(`${backend}: killed ${KILLS} times, it comes to the same result`, { skip }, async () => {
    await assertSurvivesKills(work, await tinyImages(work), KILLS, KILLS, backend);
  });
