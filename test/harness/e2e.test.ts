/** The end-to-end tests' own machinery: whatever fails in a flow, or inside the extension host, makes the run exit with 1. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, test } from 'node:test';
import { bundleHostSuite } from '../e2e/lib/host-bundle.ts';
import { readHostResults, reportHostResults } from '../e2e/lib/host-results.ts';
import { hasServer, repository } from '../e2e/lib/session.ts';
import { type Flow, type Outcome, ofThisFlow, runFlows } from '../e2e/lib/steps.ts';
import { noChromium } from '../webview/harness/chromium.ts';

// Below the repository: a bundled suite finds mocha from where it lies.
mkdirSync(path.join(repository, 'out'), { recursive: true });
const folder = mkdtempSync(path.join(repository, 'out', 'harness-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const SUITE = `import assert from 'node:assert/strict';
suite('sample', () => {
  test('passes', () => assert.ok(true));
  test('fails', () => assert.equal(1, 2));
  test('passes after it', () => assert.ok(true));
  test('is not written yet');
});
`;

function suiteFolder(name: string, text: string): string {
  const suites = path.join(folder, name);
  mkdirSync(suites);
  writeFileSync(path.join(suites, 'sample.suite.ts'), text);
  return suites;
}

/** Runs a bundled suite as VS Code does, without VS Code; gives the exit code. */
async function runSuite(name: string, text: string, results: string): Promise<number> {
  const bundle = await bundleHostSuite(path.join(folder, `${name}-bundle`), suiteFolder(name, text));
  const { run } = createRequire(import.meta.url)(bundle) as { run(): Promise<void> };
  process.env['ESPALIER_HOST_RESULTS'] = results;
  try {
    return await run().then(
      () => 0,
      () => 1,
    );
  } finally {
    delete process.env['ESPALIER_HOST_RESULTS'];
  }
}

const hostResults = (results: string, code: number): Flow => ({
  name: 'a suite inside the host',
  run: (step) => reportHostResults(step, readHostResults(results), code),
});

const passing: Flow = { name: 'passes', run: (step) => step('one', async () => undefined) };
const silent = (): void => undefined;
const outcomeOf = (flow: Flow): Promise<Outcome> => runFlows([flow], async () => undefined, { say: silent });

test('a failed test inside the host is a failed step, a pending one is skipped, those after it are counted', async () => {
  const results = path.join(folder, 'failing.json');
  const code = await runSuite('failing', SUITE, results);
  assert.equal(code, 1);
  assert.deepEqual(await outcomeOf(hostResults(results, code)), { passed: 3, failed: 1, skipped: 1 });
});

test('a suite without failures passes', async () => {
  const results = path.join(folder, 'good.json');
  const code = await runSuite('good', SUITE.replace('equal(1, 2)', 'equal(2, 2)'), results);
  assert.equal(code, 0);
  assert.deepEqual(await outcomeOf(hostResults(results, code)), { passed: 4, failed: 0, skipped: 1 });
});

test('a failure of a hook, an exit code that the results do not explain, and no results are failures', async () => {
  const results = path.join(folder, 'hook.json');
  const hook =
    "suite('hook', () => { suiteSetup(() => { throw new Error('no'); }); test('never', () => undefined); });";
  assert.equal((await outcomeOf(hostResults(results, await runSuite('hook', hook, results)))).failed, 1);
  assert.equal((await outcomeOf(hostResults(path.join(folder, 'good.json'), 1))).failed, 1);
  assert.equal((await outcomeOf(hostResults(path.join(folder, 'good.json'), -1))).failed, 1);
  assert.equal((await outcomeOf(hostResults(path.join(folder, 'none.json'), 0))).failed, 1);
});

test('a step whose error the flow swallows has failed all the same', async () => {
  const failing = (): Promise<void> => Promise.reject(new Error('no'));
  const swallowing: Flow = { name: 'swallows', run: (step) => step('one', failing).catch(() => undefined) };
  assert.deepEqual(await outcomeOf(swallowing), { passed: 0, failed: 1, skipped: 0 });
});

test('what fails before the first step, and a flow without steps, are failures; the next flow runs', async () => {
  const early: Flow = { name: 'early', run: () => Promise.reject(new Error('no server')) };
  const empty: Flow = { name: 'empty', run: () => Promise.resolve() };
  const elsewhere: Flow = { name: 'elsewhere', skip: 'not here', run: () => assert.fail() };
  const cleaned: string[] = [];
  const flows = [early, empty, elsewhere, passing];
  const outcome = await runFlows(flows, async (flow) => void cleaned.push(flow), { say: silent });
  assert.deepEqual(outcome, { passed: 1, failed: 2, skipped: 1 });
  assert.deepEqual(cleaned, ['early', 'empty']);
});

test('flows at once are counted each, and clean up after themselves', async () => {
  let met: () => void = () => undefined;
  const other = new Promise<void>((resolve) => {
    met = resolve;
  });
  const waiting: Flow = {
    name: 'waits for the other',
    run: async (step) => {
      ofThisFlow().set('session', 'of the first');
      await step('one', () => other);
      await step('two', () => Promise.reject(new Error('no')));
    },
  };
  const meeting: Flow = {
    name: 'goes meanwhile',
    run: async (step) => {
      ofThisFlow().set('session', 'of the second');
      await step('one', async () => met());
    },
  };
  const [lines, cleaned]: string[][] = [[], []];
  const outcome = await runFlows(
    [waiting, meeting, passing],
    async (flow) => void cleaned.push(`${flow} ${ofThisFlow().get('session')}`),
    { atOnce: 2, say: (line) => lines.push(line) },
  );
  assert.deepEqual(outcome, { passed: 3, failed: 1, skipped: 0 });
  assert.deepEqual(cleaned, ['waits for the other of the first']);
  assert.ok(
    lines.some((line) => /ok .* one \(\d+ ms\) \[goes meanwhile\]$/.test(line)),
    lines.join('\n'),
  );
});

const run = (args: readonly string[], env: NodeJS.ProcessEnv) =>
  spawnSync(process.execPath, ['--import', 'tsx', 'test/e2e/run.ts', ...args], {
    cwd: repository,
    encoding: 'utf8',
    env: { ...process.env, E2E_OUT: path.join(folder, 'out'), ...env },
  });

test('a flow that does not exist is an error', () => {
  const { status, stderr } = run(['nonsense'], {});
  assert.equal(status, 1);
  assert.match(stderr, /no flow nonsense; there are robust, sample, /);
});

test('in the real extension host, a failing suite makes the run exit with 1', {
  skip: noChromium || (!hasServer() && 'no VS Code server in the cache'),
}, () => {
  const vsix = path.join(folder, 'espalier.vsix');
  // What is tested is how a run ends: no compiler is needed for that.
  execFileSync(process.execPath, ['scripts/package.mjs', '--without-binding'], {
    cwd: repository,
    stdio: 'ignore',
    env: { ...process.env, ESPALIER_VSIX: vsix },
  });
  const tally = path.join(folder, 'tally');
  const { status, stdout } = run(['host'], {
    E2E_VSIX: vsix,
    E2E_HOST_SUITES: suiteFolder('real', SUITE),
    TALLY: tally,
  });
  assert.equal(status, 1, stdout);
  assert.match(stdout, /\n3 passed, 1 failed, 1 skipped\n$/);
  assert.equal(readFileSync(tally, 'utf8'), '3 1 1\n');
});
