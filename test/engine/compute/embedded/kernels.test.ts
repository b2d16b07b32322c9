/** Every kernel of the embedded executor against the double-precision interpreter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kernelRules } from '../../../../src/engine/compute/embedded/kernel-table.ts';
import { caseProgram, kernelCases } from '../kernel-cases.ts';
import { testCases } from './check-case.ts';
import { moreCases } from './more-cases.ts';

testCases('embedded', [...kernelCases, ...moreCases]);

test('every kernel is in a case', () => {
  const others = ['lerp', 'globalNorm', 'clipFactor', 'sgdStep', 'adamWStep', 'rmsPropStep', 'patches', 'inverseRoot'];
  const seen = new Set(kernelCases.flatMap((c) => caseProgram(c).nodes.map(({ kind }) => kind as string)));
  const missing = Object.keys(kernelRules).filter((kind) => !seen.has(kind) && !others.includes(kind));
  assert.deepEqual(missing, []);
});
