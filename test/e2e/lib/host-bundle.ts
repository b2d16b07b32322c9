/** Bundles the suite that runs inside the extension host: it is loaded by Node as CommonJS. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

/** Returns the file that VS Code is given as extensionTestsPath. */
export async function bundleHostSuite(output: string): Promise<string> {
  const folder = path.join(import.meta.dirname, '../host');
  const entries = readdirSync(folder).filter((name) => name === 'index.ts' || name.endsWith('.suite.ts'));
  await build({
    entryPoints: entries.map((name) => path.join(folder, name)),
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
