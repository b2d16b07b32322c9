/** Ten steps of every optimiser as PyTorch does them in double precision: in double precision, and in float32 as far as that goes. */
import { test } from 'node:test';
import { skipWithoutShared } from '../engine/data/shared.ts';
import { assertFloat32Run, assertFloat64Run, commandLines, type RunName } from '../engine/training/reference-runs.ts';
import { executor, skipWithoutRuntime, workFolder } from '../engine/training/tiny.ts';

const skip = skipWithoutShared || skipWithoutRuntime;
const folder = workFolder();

for (const name of Object.keys(commandLines) as RunName[]) {
  test(`${name}: ten steps of the loop in double precision`, { skip }, () => assertFloat64Run(name, folder));
  test(`${name}: ten steps of the loop in float32`, { skip }, () => assertFloat32Run(name, executor(), folder));
}
