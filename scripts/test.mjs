// Installs what is missing, then bundles the tests named on the command line (files or folders; by default all of
// test/ but test/e2e and test/full) and runs them under node's test runner, two files at a time, those that take longest first.
// Says at the end why tests were skipped, which files took longest, and the counts.
//   REQUIRED  what may not be missing, as `runtime,server`: tests that are skipped for the lack of it have failed
//   TALLY     a file that the counts are added to, a line `passed failed skipped`
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { installPackages, root } from './bootstrap.mjs';
import { reportOf } from './test-report.mjs';

const SUFFIX = /\.test\.ts$/;

/**
 * What takes longest, of the list that is printed at the end: begun first, so that no file runs alone while a core waits. Where they
 * stand in this list changes nothing but the time.
 */
const LONGEST = [
  'engine/checkpoint/mutations',
  'engine/training/reference-runs',
  'engine/export/exports',
  'engine/checkpoint/onnx/round-trip',
  'cli/finetune',
  'webview/browser-graph',
  'cli/bad-input',
  'worker/requests',
  'engine/jobs/finetune',
  'webview/browser-themes',
  'engine/jobs/teacher',
  'harness/e2e',
  'engine/compute/logits',
  'webview/browser-panels',
  'worker/run-process',
  'worker/supervisor',
].map((name) => path.join('test', `${name}.test.ts`));

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
const place = (file) => (LONGEST.includes(file) ? LONGEST.indexOf(file) : LONGEST.length);
const files = (places.length ? places : ['test'])
  .flatMap(filesOf)
  .filter((file) => SUFFIX.test(file))
  .map((file) => path.relative('', file))
  .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
if (files.length === 0) throw new Error(`no tests in ${places.join(', ')}`);

const folder = mkdtempSync(path.join(tmpdir(), 'espalier-tally-'));
const counted = path.join(folder, 'counts.json');
// Not before the packages are there: it is made with one of them.
const { bundleTests } = await import('./bundle-tests.mjs');
const bundles = await bundleTests(root, files);
const { status } = spawnSync(
  process.execPath,
  [
    ...['--enable-source-maps', '--test', '--test-concurrency=2'],
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...[`--test-reporter=${path.join(root, 'scripts/tally-reporter.mjs')}`, `--test-reporter-destination=${counted}`],
    ...flags,
    ...bundles.files.keys(),
  ],
  { cwd: root, stdio: 'inherit' },
);
rmSync(bundles.folder, { recursive: true });
const { lines, passed, failed, skipped } = reportOf(
  JSON.parse(readFileSync(counted, 'utf8')),
  (file) => bundles.files.get(file) ?? path.relative('', file),
  status === 0,
  (process.env.REQUIRED ?? '').split(',').filter(Boolean),
);
rmSync(folder, { recursive: true });
console.log(lines.join('\n'));
if (process.env.TALLY) appendFileSync(process.env.TALLY, `${passed} ${failed} ${skipped}\n`);
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed ? 1 : 0);
