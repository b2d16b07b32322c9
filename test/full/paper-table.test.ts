import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { paperTable } from '../../scripts/paper-table.ts';

const root = path.resolve(import.meta.dirname, '../..');
const noCases = !existsSync(path.resolve(root, '../shared/reference/cases')) && 'no ../shared';

test('docs/paper-models.md is what scripts/paper-table.ts writes', { skip: noCases }, async () =>
  assert.equal(await paperTable(), readFileSync(path.join(root, 'docs/paper-models.md'), 'utf8')),
);
