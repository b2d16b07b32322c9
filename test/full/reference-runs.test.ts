/** As test/training/reference-runs.test.ts, in double precision as the reference: minutes for each run. */
import { test } from 'node:test';
import { skipWithoutShared } from '../data/shared.ts';
import { interpreterExecutor } from '../support/interpreter-executor.ts';
import { assertSteps, assertTensors, commandLines, type RunName, runReference } from '../training/reference-runs.ts';
import { workFolder } from '../training/tiny.ts';

const folder = workFolder();

for (const name of Object.keys(commandLines) as RunName[])
  test(`${name}: ten steps of the loop in double precision`, { skip: skipWithoutShared }, async () => {
    const result = await runReference(name, interpreterExecutor, folder);
    assertSteps(result, { loss: 5e-3, gradientNorm: 5e-3 });
    assertTensors(result, 5e-3);
  });
