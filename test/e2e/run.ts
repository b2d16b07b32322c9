/**
 * End-to-end tests: the packaged extension in a real VS Code server, driven through a real browser.
 *
 * `npm run test:e2e [FLOW…]`; `E2E_VSIX`: a package that is there already; `E2E_OUT`: where screenshots go.
 * Skips, with the reason, where there is no Chromium.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { hostFlow } from './flow-host.ts';
import { keysFlow } from './flow-keys.ts';
import { looksFlow } from './flow-looks.ts';
import { readOnlyFlow, robustFlow, untrustedFlow } from './flow-robust.ts';
import { runtimeFlow } from './flow-runtime.ts';
import { sampleFlow } from './flow-sample.ts';
import { sharedFlow } from './flow-shared.ts';
import { currentSession, type Environment, outFolder, repository, serverRoot, setCurrent } from './lib/session.ts';
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

const executable = findChromium();
if (!executable) {
  console.log('skipped: no Chromium found; install it, or name one in CHROMIUM');
  process.exit(0);
}
mkdirSync(outFolder, { recursive: true });
const asked = process.argv.slice(2);
const chosen = Object.entries(flows).filter(([name]) => asked.length === 0 || asked.includes(name));
const root = serverRoot();
const vsix = packed();
const browser = await launchBrowser(executable);
const outcome = await runFlows(
  chosen.map(([, flow]) => flow({ root, vsix, browser })),
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
