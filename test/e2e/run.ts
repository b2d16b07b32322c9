/**
 * End-to-end tests: the packaged extension in a real VS Code server, driven through a real browser.
 *
 * `npm run test:e2e [FLOW…]`; `E2E_VSIX`: a package that is there already; `E2E_OUT`: where screenshots go.
 * Skips, with the reason, where there is no Chromium; with `--if-ready` also where no VS Code server is in the cache.
 * `--twice`: a flow that failed is run once more, for machines where a server or a browser may be slow to start.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { hostFlow } from './flow-host.ts';
import { keysFlow } from './flow-keys.ts';
import { looksFlow } from './flow-looks.ts';
import { measureFlow, sliderFlow } from './flow-measure.ts';
import { readOnlyFlow, robustFlow, untrustedFlow } from './flow-robust.ts';
import { installFlow, runtimeFlow } from './flow-runtime.ts';
import { sampleFlow } from './flow-sample.ts';
import { sharedFlow } from './flow-shared.ts';
import {
  currentSession,
  type Environment,
  hasServer,
  outFolder,
  repository,
  serverRoot,
  setCurrent,
} from './lib/session.ts';
import { type Flow, runFlows } from './lib/steps.ts';
import { findChromium, launchBrowser } from './lib/workbench.ts';

const flows: Readonly<Record<string, (environment: Environment) => Flow>> = {
  sample: sampleFlow,
  host: hostFlow,
  keys: keysFlow,
  shared: sharedFlow,
  looks: looksFlow,
  robust: robustFlow,
  readonly: readOnlyFlow,
  untrusted: untrustedFlow,
  runtime: runtimeFlow,
};

/** Flows that are run only by name. */
const byName: typeof flows = { measure: measureFlow, slider: sliderFlow, install: installFlow };

const IF_READY = '--if-ready';
const TWICE = '--twice';

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

const asked = process.argv.slice(2).filter((argument) => argument !== IF_READY && argument !== TWICE);
const executable = findChromium();
if (process.argv.includes(IF_READY) && !hasServer()) {
  console.log('skipped: no VS Code server in the cache; test/e2e/setup.sh puts one there');
  process.exit(0);
}
if (!executable) {
  console.log('skipped: no Chromium found; install it, or name one in CHROMIUM');
  process.exit(0);
}
mkdirSync(outFolder, { recursive: true });
const chosen = asked.length
  ? Object.entries({ ...flows, ...byName }).filter(([name]) => asked.includes(name))
  : Object.entries(flows);
const root = serverRoot();
const vsix = packed();
const browser = await launchBrowser(executable);
const outcome = await runFlows(
  chosen.map(([, flow]) => flow({ root, vsix, browser })),
  process.argv.includes(TWICE) ? 2 : 1,
  async (flow) => {
    const session = currentSession();
    await session?.shot(`failure-${flow.replace(/\W+/g, '-')}`);
    console.log(`console: ${JSON.stringify(session?.workbench.errors.slice(0, 10), null, 1)}`);
    await session?.stop(process.env['E2E_KEEP'] !== undefined);
    setCurrent(undefined);
  },
);
await browser.close();
console.log(`\n${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} flows skipped`);
process.exit(outcome.failed ? 1 : 0);
