// Runs the tests named on the command line (files or folders; default: all of test/ but e2e) under node's test runner.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const SUFFIX = /\.test\.ts$/;
const filesOf = (place) =>
  statSync(place).isFile() ? [place] : readdirSync(place).filter((n) => n !== 'e2e').flatMap((n) => filesOf(path.join(place, n)));

const args = process.argv.slice(2);
const flags = args.filter((a) => a.startsWith('--'));
const places = args.filter((a) => !a.startsWith('--'));
const files = (places.length ? places : ['test']).flatMap(filesOf).filter((f) => SUFFIX.test(f)).sort();
const run = spawnSync(
  process.execPath,
  ['--import', 'tsx', '--test', '--test-reporter=spec', '--test-concurrency=2', ...flags, ...files],
  { stdio: 'inherit' },
);
process.exit(run.status ?? 1);
