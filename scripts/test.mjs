// Installs what is missing, then runs the tests named on the command line (files or folders; by default all of
// test/ but test/e2e) under node's test runner.
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { installPackages, root, run } from './bootstrap.mjs';

const SUFFIX = /\.test\.ts$/;

const filesOf = (place) =>
  statSync(place).isFile()
    ? [place]
    : readdirSync(place)
        .filter((name) => name !== 'e2e' && name !== 'full')
        .flatMap((name) => filesOf(path.join(place, name)));

process.chdir(root);
installPackages();
const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith('--'));
const places = args.filter((arg) => !arg.startsWith('--'));
const files = (places.length ? places : ['test'])
  .flatMap(filesOf)
  .filter((file) => SUFFIX.test(file))
  .sort();
run(process.execPath, [
  '--import',
  'tsx',
  '--test',
  '--test-reporter=spec',
  '--test-concurrency=2',
  ...flags,
  ...files,
]);
