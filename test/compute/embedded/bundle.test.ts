/** The embedded executor as the build ships it: one CommonJS file with the compiled kernels beside it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const binaries = path.join(root, 'node_modules/@tensorflow/tfjs-backend-wasm/wasm-out');

const PROGRAM = `
import { createEmbeddedExecutor } from '${path.join(root, 'src/compute/embedded/executor.ts').replaceAll('\\', '/')}';
import { ProgramBuilder } from '${path.join(root, 'src/compute/program-builder.ts').replaceAll('\\', '/')}';

async function main() {
  const b = new ProgramBuilder();
  const x = b.input('x', [-1, 2]);
  b.output('y', b.add('square', [x], {}));
  const executor = await createEmbeddedExecutor();
  const session = await executor.open({ run: b.finish() });
  const { y } = await session.run('run', { x: Float32Array.of(1, 2, 3, 4) });
  const handlers = process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection');
  console.log(JSON.stringify({ y: [...y], label: executor.label, handlers }));
}
void main();
`;

test('runs from a bundle, with nothing on the console', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-bundle-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const entry = path.join(folder, 'main.ts');
  writeFileSync(entry, PROGRAM);
  // As esbuild.mjs builds programs for Node.
  await build({
    entryPoints: [entry],
    outfile: path.join(folder, 'main.cjs'),
    bundle: true,
    minify: true,
    keepNames: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    nodePaths: [path.join(root, 'node_modules')],
    define: { 'import.meta.url': 'moduleUrl' },
    banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: 'silent',
  });
  for (const name of readdirSync(binaries).filter((file) => file.endsWith('.wasm')))
    cpSync(path.join(binaries, name), path.join(folder, name));
  const { stdout, stderr, status } = spawnSync(process.execPath, [path.join(folder, 'main.cjs')], {
    encoding: 'utf8',
    // The process must end by itself.
    timeout: 60_000,
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout), {
    y: [1, 4, 9, 16],
    label: 'embedded kernels, WebAssembly SIMD',
    handlers: 0,
  });
});
