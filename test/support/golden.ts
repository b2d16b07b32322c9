/** Golden text files: what a test compares with, and a person reads in a review. `UPDATE_GOLDEN=1` rewrites them. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Asserts that `text` is the content of the file, which lies in `fixtures/` beside the test in `folder`. */
export function assertGolden(folder: string, file: string, text: string): void {
  const place = path.join(folder, 'fixtures', file);
  if (process.env['UPDATE_GOLDEN']) {
    mkdirSync(path.dirname(place), { recursive: true });
    writeFileSync(place, `${text}\n`);
  }
  assert.equal(`${text}\n`, readFileSync(place, 'utf8'), `${file} differs; UPDATE_GOLDEN=1 rewrites it`);
}
