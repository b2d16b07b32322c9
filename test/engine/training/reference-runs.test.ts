/**
 * Ten steps of every optimiser as PyTorch does them, on TensorFlow.
 *
 * The reference is double precision, and so are these tests: every loss, gradient norm and tensor agrees. Those that are left out here,
 * and the same in float32, are in test/full.
 */
import { test } from 'node:test';
import { skipWithoutShared } from '../data/shared.ts';
import { assertFloat32Run, assertFloat64Run } from './reference-runs.ts';
import { executor, skipWithoutRuntime, workFolder } from './tiny.ts';

const skip = skipWithoutShared || skipWithoutRuntime;
const folder = workFolder();

/** One of each optimiser, with what the others have besides. */
for (const name of ['sgd_nesterov_smooth_ema', 'adamw_clip', 'rmsprop'] as const)
  test(`${name}: ten steps of the loop in double precision`, { skip }, () => assertFloat64Run(name, folder));

test('sgd: ten steps of the loop in float32', { skip }, () => assertFloat32Run('sgd', executor(), folder));
