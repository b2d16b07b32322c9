import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { generated, manifest, SCHEMA_FILE } from '../../scripts/generate-contributions.ts';
import { bundle, bundleFile } from '../../scripts/generate-l10n.ts';
import * as contributions from '../../src/extension/contributions.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');

test('package.json and package.nls.json are what contributions.ts says', () => {
  const { packageJson, nls, schema } = generated();
  assert.deepEqual(JSON.parse(read('package.json')), JSON.parse(packageJson), 'run npm run contributions');
  assert.deepEqual(JSON.parse(read('package.nls.json')), JSON.parse(nls), 'run npm run contributions');
  assert.equal(read(SCHEMA_FILE), schema, 'run npm run contributions');
});

test('menus, keys and walkthrough name commands that exist', () => {
  const named = [...Object.values(contributions.menus).flat(), ...contributions.keybindings].map(
    ({ command }) => command as string,
  );
  const linked = [
    ...contributions.welcome.map(({ text }) => text),
    ...contributions.walkthrough.steps.map((s) => s.description),
  ]
    .flatMap((text) => [...text.matchAll(/\(command:([\w.]+)\)/g)].map(([, command]) => command))
    .filter((command) => command.startsWith('espalier.'));
  assert.ok(named.length > 0 && linked.length > 0);
  for (const command of [...named, ...linked]) assert.ok(Object.hasOwn(contributions.commands, command), command);
});

test('contributed pictures exist', () => {
  const pictures = [
    contributions.viewContainer.icon,
    ...Object.values(contributions.views).map(({ icon }) => icon),
    ...contributions.walkthrough.steps.map(({ image }) => image),
  ];
  assert.ok(pictures.length > 2);
  for (const picture of pictures) assert.ok(existsSync(path.join(root, picture)), picture);
});

test('every text that the manifest names is in package.nls.json, and nothing else is', () => {
  const { texts } = manifest();
  const references = read('package.json').match(/%[\w.]+%/g) ?? [];
  const named = new Set(references.map((reference) => reference.slice(1, -1)));
  assert.ok(named.size > 0);
  assert.deepEqual([...named].sort(), Object.keys(texts).sort());
});

/** Keys of a flat JSON object as they are written: those that JSON.parse would silently drop too. */
const keysOf = (text: string): string[] =>
  [...text.matchAll(/^\s*("(?:[^"\\]|\\.)*"):/gm)].map(([, key]) => JSON.parse(key) as string);

test('no language has a text twice, or one that is not there in English', () => {
  for (const [folder, pattern, english] of [
    ['.', /^package\.nls(\..+)?\.json$/, 'package.nls.json'],
    ['l10n', /^bundle\.l10n(\..+)?\.json$/, 'l10n/bundle.l10n.json'],
  ] as const) {
    const known = new Set(keysOf(read(english)));
    assert.equal(known.size, Object.keys(JSON.parse(read(english))).length);
    const files = readdirSync(path.join(root, folder)).filter((file) => pattern.test(file));
    assert.ok(files.includes(path.basename(english)));
    for (const name of files) {
      const keys = keysOf(read(path.join(folder, name)));
      assert.equal(new Set(keys).size, keys.length, `${name} has a key twice`);
      for (const key of keys) assert.ok(known.has(key), `${name}: ${key}`);
    }
  }
});

test('commands that are not in the palette are in a menu', () => {
  const hidden = Object.entries<contributions.CommandContribution>(contributions.commands).filter(
    ([, c]) => c.palette === false,
  );
  const inMenus = new Set(
    Object.values(contributions.menus)
      .flat()
      .map(({ command }) => command as string),
  );
  assert.ok(hidden.length > 0);
  for (const [id] of hidden) assert.ok(inMenus.has(id), `${id} can be reached from nowhere`);
});

test('l10n/bundle.l10n.json has every text that the code shows', () => {
  assert.deepEqual(JSON.parse(readFileSync(bundleFile, 'utf8')), JSON.parse(bundle()), 'run npm run contributions');
});
