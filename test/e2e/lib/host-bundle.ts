/** Bundles the suite that runs inside the extension host: it is loaded by Node as CommonJS. */
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const host = path.join(import.meta.dirname, '../host');

/** Returns the file that VS Code is given as extensionTestsPath. `suites`: the folder with the `.suite.ts` files. */
export async function bundleHostSuite(
  output: string,
  suites: string = process.env['E2E_HOST_SUITES'] ?? host,
): Promise<string> {
  const names = readdirSync(suites).filter((name) => name.endsWith('.suite.ts'));
  if (names.length === 0) throw new Error(`no suite in ${suites}`);
  rmSync(output, { recursive: true, force: true }); // A suite of another time would run too.
  await build({
    entryPoints: [path.join(host, 'index.ts'), ...names.map((name) => path.resolve(suites, name))],
    entryNames: '[name]',
    outdir: output,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    outExtension: { '.js': '.cjs' },
    external: ['vscode', 'mocha'],
    logLevel: 'warning',
  });
  return path.join(output, 'index.cjs');
}
