/**
 * End-to-end tests: the packaged extension in a real VS Code server, driven through a real browser.
 *
 * `npm run test:e2e [FLOW…]`; `E2E_VSIX`: a package that is there already; `E2E_OUT`: where screenshots go; `E2E_HOST_SUITES`:
 * another folder with suites for the extension host; `TALLY`: a file that the counts are added to; `E2E_AT_ONCE`: how many flows go
 * at once (by default one): most of their time is waiting, and each has a server, a workspace and pages of its own; `E2E_PATIENCE`: how
 * many times longer an answer may take, on a machine that does other work too.
 * Exits with 1 when anything failed, or when it has no Chromium; with `--if-ready` flows count as skipped where Chromium or the VS Code
 * server are not there already.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { hostFlow } from './flow-host.ts';
import { jobFlow } from './flow-job.ts';
import { keysFlow } from './flow-keys.ts';
import { looksFlow } from './flow-looks.ts';
import { measureFlow, sliderFlow } from './flow-measure.ts';
import { pointsFlow } from './flow-points.ts';
import { pointsFirstFlow } from './flow-points-first.ts';
import { pointsLooksFlow } from './flow-points-looks.ts';
import { pointsPagesFlow } from './flow-points-pages.ts';
import { pointsRunsFlow } from './flow-points-runs.ts';
import { readOnlyFlow, robustFlow, untrustedFlow } from './flow-robust.ts';
import { installFlow, runtimeFlow } from './flow-runtime.ts';
import { sampleFlow } from './flow-sample.ts';
import { sharedFlow } from './flow-shared.ts';
import { timesFlow } from './flow-times.ts';
import {
  currentSession,
  type Environment,
  hasServer,
  outFolder,
  repository,
  serverRoot,
  setCurrent,
} from './lib/session.ts';
import { type Flow, type Outcome, runFlows } from './lib/steps.ts';
import { findChromium, launchBrowser } from './lib/workbench.ts';

const flows: Readonly<Record<string, (environment: Environment) => Flow>> = {
  robust: robustFlow,
  sample: sampleFlow,
  looks: looksFlow,
  host: hostFlow,
  keys: keysFlow,
  shared: sharedFlow,
  runtime: runtimeFlow,
  readonly: readOnlyFlow,
  untrusted: untrustedFlow,
};

/** Flows that are run only by name. */
const byName: typeof flows = {
  times: timesFlow,
  measure: measureFlow,
  slider: sliderFlow,
  install: installFlow,
  job: jobFlow,
  points: pointsFlow,
  'points-first': pointsFirstFlow,
  'points-runs': pointsRunsFlow,
  'points-pages': pointsPagesFlow,
  'points-looks': pointsLooksFlow,
};

const IF_READY = '--if-ready';

function packed(): string {
  const given = process.env['E2E_VSIX'];
  if (given) return path.resolve(given);
  const vsix = path.join(outFolder, 'espalier.vsix');
  execFileSync(process.execPath, [path.join(repository, 'scripts/package.mjs')], {
    cwd: repository,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ESPALIER_VSIX: vsix },
  });
  return vsix;
}

/** Why no flow can run here; undefined when they can. */
function whyNot(ifReady: boolean): string | undefined {
  if (!findChromium()) return 'no Chromium found; install it, or name one in CHROMIUM';
  if (ifReady && !hasServer()) return 'no VS Code server in the cache; test/e2e/setup.sh puts one there';
  return undefined;
}

function chosenFlows(names: readonly string[]): (typeof flows)[string][] {
  if (names.length === 0) return Object.values(flows);
  const all = { ...flows, ...byName };
  return names.map((name) => {
    if (!Object.hasOwn(all, name)) throw new Error(`no flow ${name}; there are ${Object.keys(all).join(', ')}`);
    return all[name];
  });
}

async function runChosen(chosen: readonly (typeof flows)[string][], atOnce: number): Promise<Outcome> {
  mkdirSync(outFolder, { recursive: true });
  const root = serverRoot();
  const vsix = packed();
  const browser = await launchBrowser(findChromium() as string);
  const outcome = await runFlows(
    chosen.map((flow) => flow({ root, vsix, browser })),
    async (flow) => {
      const session = currentSession();
      await session?.shot(`failure-${flow.replace(/\W+/g, '-')}`);
      console.log(`console: ${JSON.stringify(session?.workbench.errors.slice(0, 10), null, 1)}`);
      await session?.stop(process.env['E2E_KEEP'] !== undefined);
      setCurrent(undefined);
    },
    { atOnce },
  );
  await browser.close();
  return outcome;
}

const ifReady = process.argv.includes(IF_READY);
const chosen = chosenFlows(process.argv.slice(2).filter((argument) => argument !== IF_READY));
const why = whyNot(ifReady);
if (why) console.log(`${ifReady ? 'skipped' : 'not run'}: ${why}`);
const { passed, failed, skipped } = why
  ? { passed: 0, failed: ifReady ? 0 : chosen.length, skipped: ifReady ? chosen.length : 0 }
  : await runChosen(chosen, Number(process.env['E2E_AT_ONCE']) || 1);
const tally = process.env['TALLY'];
if (tally) appendFileSync(tally, `${passed} ${failed} ${skipped}\n`);
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed ? 1 : 0);
