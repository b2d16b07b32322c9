import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { commandsDocument } from '../../src/cli/commands-document.ts';

test('docs/commands.md is what the flag tables say (npm run docs writes it)', () => {
  const file = path.resolve(import.meta.dirname, '../../docs/commands.md');
  assert.equal(readFileSync(file, 'utf8'), commandsDocument());
});
