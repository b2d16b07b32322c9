/** What scripts/test.mjs and .ci/run count and how they end: nothing that failed, or was not run, is left out of the last line. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';

const repository = path.resolve(import.meta.dirname, '../..');
mkdirSync(path.join(repository, 'out'), { recursive: true });
const folder = mkdtempSync(path.join(repository, 'out', 'counts-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const lastLine = ({ stdout }: SpawnSyncReturns<string>): string => stdout.trimEnd().split('\n').at(-1) ?? '';

const HEAD = "import { describe, test, before } from 'node:test';\n";
const PASSES = "test('passes', () => undefined);\n";
const FAILS = "test('fails', () => { throw new Error('no'); });\n";
const SKIPPED = "test('needs it', { skip: 'the TensorFlow runtime is not installed' }, () => undefined);\n";

let number = 0;
/** Runs scripts/test.mjs on a file of this text. */
function runTests(text: string, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> & { readonly tally: string } {
  const place = path.join(folder, `tests${number++}`);
  mkdirSync(place);
  writeFileSync(path.join(place, 'sample.test.ts'), HEAD + text);
  const tally = path.join(place, 'tally');
  // The runner that runs this file would take the inner one for its own.
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const result = spawnSync(process.execPath, ['scripts/test.mjs', place], {
    cwd: repository,
    encoding: 'utf8',
    env: { ...outer, REQUIRED: '', TALLY: tally, ...env },
  });
  return { ...result, tally: readFileSync(tally, 'utf8') };
}

describe('scripts/test.mjs', () => {
  test('counts passed and skipped tests, and says why they were skipped', () => {
    const result = runTests(`${PASSES}describe('a suite', () => { ${PASSES} });\n${SKIPPED}test.todo('later');\n`);
    assert.equal(result.status, 0, result.stdout);
    assert.equal(lastLine(result), '2 passed, 0 failed, 2 skipped');
    assert.equal(result.tally, '2 0 2\n');
    assert.match(result.stdout, /^skipped 1: the TensorFlow runtime is not installed$/m);
  });

  test('a test that is skipped for what is required has failed', () => {
    const result = runTests(PASSES + SKIPPED, { REQUIRED: 'browser,runtime' });
    assert.equal(result.status, 1);
    assert.equal(lastLine(result), '1 passed, 1 failed, 0 skipped');
    assert.match(result.stdout, /sample\.test\.ts: needs it: required, but the TensorFlow runtime is not installed/);
  });

  test('a failed test, in a suite too, and a failed hook', () => {
    const result = runTests(`${PASSES}${FAILS}describe('a suite', () => { ${FAILS} });\n`);
    assert.equal(result.status, 1);
    assert.equal(lastLine(result), '1 passed, 2 failed, 0 skipped');
    const hook = runTests(`describe('s', () => { before(() => { throw new Error('no'); }); ${PASSES} });\n`);
    assert.equal(hook.status, 1);
    assert.match(lastLine(hook), /, [1-9]\d* failed, /);
  });

  test('a file that ends with an error, and one without tests that passed', () => {
    for (const text of ["throw new Error('no');\n", `${PASSES}process.exit(3);\n`, SKIPPED]) {
      const result = runTests(text);
      assert.equal(result.status, 1, text);
      assert.match(lastLine(result), /, [1-9]\d* failed, /, text);
    }
  });
});

/** What the programs that .ci/run starts do, by words of their command lines: a shell command each. */
type Behaviour = Readonly<Record<string, string>>;
const GOOD: Behaviour = {
  'test:e2e': 'echo 10 0 1 >>$TALLY',
  'npm test': 'echo 100 0 5 >>$TALLY; echo required: $REQUIRED',
};
/** The names of .ci/run's own checks, in order: whichever it has, each counts as one. */
const CHECKS = readFileSync(path.join(repository, '.ci/run'), 'utf8')
  .split('\n')
  .flatMap((line) => /^(?:must|check|wanted \w+) +('[^']+'|\S+)/.exec(line)?.[1] ?? []);
const STEPS = CHECKS.length;

/** Runs .ci/run in a folder where npm, node and the rest are scripts that do as told. */
function runCi(behaviour: Behaviour, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  const place = path.join(folder, `ci${number++}`);
  const programs = path.join(place, 'bin');
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
  };
  const cases = Object.entries({ ...GOOD, ...behaviour }).map(([words, does]) => `*"${words}"*) ${does} ;;`);
  const script = `case "$(basename "$0") $*" in\n${cases.join('\n')}\nesac`;
  for (const program of ['npm', 'node', 'apt-get', 'chromium']) write(path.join(programs, program), script);
  write(path.join(place, 'test/e2e/setup.sh'), script);
  mkdirSync(path.join(place, '.ci'));
  copyFileSync(path.join(repository, '.ci/run'), path.join(place, '.ci/run'));
  return spawnSync('bash', [path.join(place, '.ci/run')], {
    encoding: 'utf8',
    env: { PATH: `${programs}:/usr/bin:/bin`, CHROMIUM: path.join(programs, 'chromium'), ...env },
  });
}

describe('.ci/run', { skip: process.platform === 'win32' && 'needs bash' }, () => {
  const assertEnds = (result: SpawnSyncReturns<string>, status: number, line: string): void => {
    assert.equal(lastLine(result), line, result.stdout + result.stderr);
    assert.equal(result.status, status);
  };

  test('all is well: steps and tests are counted; in CI what is required is told to the tests', () => {
    assertEnds(runCi({}), 0, `${STEPS + 110} passed, 0 failed, 6 skipped`);
    const result = runCi({}, { CI: 'true' });
    assertEnds(result, 0, `${STEPS + 110} passed, 0 failed, 6 skipped`);
    assert.match(result.stdout, /^required: runtime,browser,server$/m);
  });

  test('a check that fails does not hide the tests, and the run fails', () => {
    assertEnds(runCi({ 'run -s lint': 'exit 1' }), 1, `${STEPS + 109} passed, 1 failed, 6 skipped`);
    assertEnds(runCi({ 'run -s demo': 'exit 1' }), 1, `${STEPS + 109} passed, 1 failed, 6 skipped`);
  });

  test('without packages, types or a build nothing goes on', () => {
    assertEnds(runCi({ 'npm ci': 'exit 1' }), 1, '0 passed, 1 failed, 0 skipped');
    assertEnds(runCi({ 'run -s build': 'exit 1' }), 1, `${CHECKS.indexOf('build')} passed, 1 failed, 0 skipped`);
  });

  test('what cannot be had is skipped on a desk, a failure in CI, and skipped in CI where a variable says so', () => {
    for (const [what, words] of [
      ['runtime', 'runtime install'],
      ['server', 'setup.sh'],
    ]) {
      const behaviour = { [words]: 'exit 1' };
      assertEnds(runCi(behaviour), 0, `${STEPS + 109} passed, 0 failed, 7 skipped`);
      assertEnds(runCi(behaviour, { CI: 'true' }), 1, `${STEPS + 109} passed, 1 failed, 6 skipped`);
      const without = runCi(behaviour, { CI: 'true', CI_WITHOUT: what });
      assertEnds(without, 0, `${STEPS + 109} passed, 0 failed, 7 skipped`);
      assert.doesNotMatch(without.stdout, new RegExp(`^required: .*${what}`, 'm'));
    }
  });

  test('failures of tests, and a test step that dies before it counts', () => {
    assertEnds(runCi({ 'test:e2e': 'echo 9 1 1 >>$TALLY; exit 1' }), 1, `${STEPS + 109} passed, 1 failed, 6 skipped`);
    assertEnds(runCi({ 'npm test': 'exit 7' }), 1, `${STEPS + 10} passed, 1 failed, 1 skipped`);
    assertEnds(runCi({ 'npm test': 'exit 0' }), 1, `${STEPS + 10} passed, 1 failed, 1 skipped`);
  });
});
