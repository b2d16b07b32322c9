/** Results of the suite inside the extension host as steps of a flow: one each, so that a test that failed fails the flow. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import type { HostResult } from '../host/index.ts';
import type { Step } from './steps.ts';

/** What a suite has written; nothing where it could not be loaded or did not come to its end. */
export const readHostResults = (file: string): readonly HostResult[] =>
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as HostResult[]) : [];

/** `code`: what the extension host gave back at its end; 0 only when every test passed. Throws when anything failed. */
export async function reportHostResults(step: Step, results: readonly HostResult[], code: number): Promise<void> {
  const failed = results.filter(({ state }) => state === 'failed');
  for (const { title, state, error } of results) {
    if (state === 'pending') step.skip(title, 'pending in its suite');
    else
      await step(title, async () => {
        if (state === 'failed') throw new Error(error ?? 'failed without a message');
      }).catch(() => undefined); // Counted; the tests after it are reported too.
  }
  await step('the suite ended by itself', async () => {
    assert.ok(results.length > 0, `no results, exit code ${code}`);
    assert.equal(code, failed.length ? 1 : 0, `exit code ${code} with ${failed.length} failed tests`);
  });
  assert.equal(failed.length, 0, `${failed.length} tests failed inside the extension host`);
}
