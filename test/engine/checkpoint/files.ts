/** A folder for a test's files, gone after the tests of the file that asked for it. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const repositoryRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

export interface TestFolder {
  readonly path: string;
  /** Writes a file and gives its path. */
  file(name: string, content: Uint8Array | string): string;
}

export function testFolder(): TestFolder {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return {
    path: folder,
    file: (name, content) => {
      const file = path.join(folder, name);
      writeFileSync(file, content);
      return file;
    },
  };
}
