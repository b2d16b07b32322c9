/** The suite inside the extension host, on the packaged extension. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundleHostSuite } from './lib/host-bundle.ts';
import { readHostResults, reportHostResults } from './lib/host-results.ts';
import { installVsix, startServer } from './lib/server.ts';
import { type Environment, outFolder } from './lib/session.ts';
import type { Flow } from './lib/steps.ts';
import { Workbench } from './lib/workbench.ts';

const LIMIT_MS = 180_000;

export const hostFlow = (environment: Environment): Flow => ({
  name: 'inside the extension host',
  async run(step) {
    const folder = mkdtempSync(path.join(tmpdir(), 'esp-'));
    const workspace = path.join(folder, 'workspace');
    mkdirSync(workspace);
    const dataDir = path.join(folder, 'd');
    const results = path.join(folder, 'results.json');
    const suite = await bundleHostSuite(path.join(outFolder, 'host'));
    installVsix({ root: environment.root, dataDir }, environment.vsix);
    const server = await startServer({
      root: environment.root,
      dataDir,
      suite: true,
      env: { ESPALIER_HOST_RESULTS: results },
    });
    const installed = readdirSync(server.extensions).find((name) => name.startsWith('espalier.espalier'));
    const remote = (file: string): string => `vscode-remote://${server.authority}${file}`;
    let ended: (code: number) => void = () => undefined;
    const exit = new Promise<number>((resolve) => {
      ended = resolve;
    });
    const said: string[] = [];
    const timer = setTimeout(() => ended(-1), LIMIT_MS);
    const workbench = await Workbench.open(environment.browser, server, {
      folder: workspace,
      payload: [
        ['extensionDevelopmentPath', remote(path.join(server.extensions, installed ?? ''))],
        ['extensionTestsPath', remote(suite)],
      ],
      automation: {
        exit: (code) => ended(code),
        log: (_, args) => {
          const text = args.map(String).join(' ');
          if (text.startsWith('activation:')) console.log(`  ${text}`);
          said.push(text);
        },
      },
    });
    const code = await exit;
    clearTimeout(timer);
    const found = readHostResults(results);
    await workbench.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    // A suite that could not be loaded has no results, and says why.
    if (!found.length) console.log(said.filter((text) => /error/i.test(text)).join('\n'));
    await reportHostResults(step, found, code);
  },
});
