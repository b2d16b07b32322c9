import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { paperTable } from '../../scripts/paper-table.ts';

const root = path.resolve(import.meta.dirname, '../..');

test('docs/paper-models.md is what scripts/paper-table.ts writes', async () =>
  assert.equal(await paperTable(), readFileSync(path.join(root, 'docs/paper-models.md'), 'utf8')));
