/** The embedded executor as the build ships it: one CommonJS file with the compiled kernels beside it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..');
const binaries = path.join(root, 'node_modules/@tensorflow/tfjs-backend-wasm/wasm-out');

const PROGRAM = `
import { createEmbeddedExecutor } from '${path.join(root, 'src/engine/compute/embedded/embedded-executor.ts').replaceAll('\\', '/')}';
import { ProgramBuilder } from '${path.join(root, 'src/engine/compute/programs/program-builder.ts').replaceAll('\\', '/')}';

async function main() {
  const b = new ProgramBuilder();
  const x = b.input('x', [-1, 2]);
  b.output('y', b.add('square', [x], {}));
  const executor = await createEmbeddedExecutor({ threads: 2 });
  const session = await executor.open({ run: b.finish() });
  const { y } = await session.run('run', { x: Float32Array.of(1, 2, 3, 4) });
  const handlers = process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection');
  console.log(JSON.stringify({ y: [...y], label: executor.label, handlers }));
}
void main();
`;

/** Builds the program into a folder as esbuild.mjs does, with the files that match beside it, and runs it: its JSON. */
async function runBundle(folder: string, beside: RegExp): Promise<unknown> {
  const entry = path.join(folder, 'main.ts');
  writeFileSync(entry, PROGRAM);
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
  for (const name of readdirSync(binaries).filter((file) => beside.test(file)))
    cpSync(path.join(binaries, name), path.join(folder, name));
  // The process must end by itself, threads or not.
  const options = { encoding: 'utf8', timeout: 60_000 } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, [path.join(folder, 'main.cjs')], options);
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return JSON.parse(stdout);
}

/** What esbuild.mjs puts beside the bundles; the kernels without the loader of those on shared memory. */
const FILES = {
  '2 threads': /\.wasm$|threaded-simd\.js$/,
  'one thread': /\.wasm$/,
};

for (const [name, files] of Object.entries(FILES))
  test(`runs from a bundle, ${name}, with nothing on the console`, { timeout: 120_000 }, async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-bundle-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    assert.deepEqual(await runBundle(folder, files), {
      y: [1, 4, 9, 16],
      label: `embedded kernels, WebAssembly SIMD${name === 'one thread' ? '' : `, ${name}`}`,
      handlers: 0,
    });
  });
