/** Links between the project's documents and files: each leads to something. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const repository = path.resolve(import.meta.dirname, '../..');
const markdown = (folder: string, recursive: boolean): string[] =>
  readdirSync(path.join(repository, folder), { recursive, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
    .map((file) => path.join(folder, file));
/** The page of the Marketplace stands at the package's root. */
const folderOf = (document: string): string => (document === 'docs/marketplace.md' ? '.' : path.dirname(document));

test('every relative link of the documents leads to a file', () => {
  const documents = [...markdown('.', false), ...['docs', 'media', 'test'].flatMap((folder) => markdown(folder, true))];
  assert.ok(documents.length > 10, documents.join(', '));
  const broken = documents.flatMap((document) => {
    const text = readFileSync(path.join(repository, document), 'utf8');
    return [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
      .map(([, target]) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(path.join(repository, folderOf(document), target)))
      .map((target) => `${document}: ${target}`);
  });
  assert.deepEqual(broken, []);
});
