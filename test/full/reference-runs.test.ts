/**
 * The reference runs in double precision throughout, as the reference itself: minutes for each. Every step agrees to 1e-5, which says
 * that the loop, its programs and its settings are right; what float32 adds, see test/training/reference-runs.test.ts.
 */
import { test } from 'node:test';
import { IMAGENET_NORMALISATION } from '../../src/data/normalise.ts';
import { skipWithoutShared } from '../data/shared.ts';
import { interpreterExecutor } from '../support/interpreter-executor.ts';
import { assertSteps, assertTensors, commandLines, type RunName, runReference } from '../training/reference-runs.ts';
import { workFolder } from '../training/tiny.ts';

const folder = workFolder();
const { mean, std } = IMAGENET_NORMALISATION;

/** Pixels normalised in double precision: 1e-8 more or less in them is 2 % in the last loss of rmsprop. */
const unroundedImages = (data: ArrayLike<number>): Float64Array =>
  Float64Array.from(data, (value, i) => {
    const channel = i % 3;
    const pixel = Math.round((value * std[channel] + mean[channel]) * 255);
    return (pixel / 255 - mean[channel]) / std[channel];
  });

const executor = interpreterExecutor((name, data) => (name === 'images' ? unroundedImages(data) : data));

for (const name of Object.keys(commandLines) as RunName[])
  test(`${name}: ten steps of the loop in double precision`, { skip: skipWithoutShared }, async () => {
    const result = await runReference(name, executor, folder);
    assertSteps(result, { loss: 1e-5, gradientNorm: 1e-5 });
    assertTensors(result, 1e-5);
  });
