/**
 * `npm run test:electron`: the suite inside the extension host in a desktop VS Code, which @vscode/test-electron downloads, or
 * in the one that `VSCODE_EXECUTABLE` names.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { downloadAndUnzipVSCode, runTests } from '@vscode/test-electron';
import { bundleHostSuite } from './lib/host-bundle.ts';

const repository = path.resolve(import.meta.dirname, '../..');

async function desktop(): Promise<string> {
  const given = process.env['VSCODE_EXECUTABLE'];
  if (given) return given;
  try {
    return await downloadAndUnzipVSCode('stable');
  } catch (error) {
    console.error(`VS Code could not be downloaded (${error}). Name one that is installed in VSCODE_EXECUTABLE.`);
    process.exit(1);
  }
}

const vscodeExecutablePath = await desktop();
const suite = await bundleHostSuite(path.join(repository, 'out', 'e2e', 'host'));
const workspace = mkdtempSync(path.join(tmpdir(), 'espalier-'));
await runTests({
  vscodeExecutablePath,
  extensionDevelopmentPath: repository,
  extensionTestsPath: suite,
  launchArgs: [workspace, '--disable-extensions', '--disable-workspace-trust'],
});
