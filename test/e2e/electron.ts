/** `npm run test:electron`: the same suite in a desktop VS Code, which @vscode/test-electron downloads. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runTests } from '@vscode/test-electron';
import { bundleHostSuite } from './lib/host-bundle.ts';

const repository = path.resolve(import.meta.dirname, '../..');
const suite = await bundleHostSuite(path.join(repository, 'out', 'e2e', 'host'));
const workspace = mkdtempSync(path.join(tmpdir(), 'espalier-'));
await runTests({
  extensionDevelopmentPath: repository,
  extensionTestsPath: suite,
  launchArgs: [workspace, '--disable-extensions', '--disable-workspace-trust'],
});
