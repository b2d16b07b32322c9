/** Programs of ours as the build makes them, each one CommonJS file that plain node runs, from the sources as they are. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { after } from 'node:test';
import { build } from 'esbuild';
import { repositoryRoot } from '../engine/checkpoint/files.ts';

/** By the names of the built files. */
const SOURCES = {
  espalier: 'src/cli/main.ts',
  worker: 'src/worker/main.ts',
  run: 'src/worker/run-main.ts',
} as const;

/** Beside the packages that stay outside of the bundles. */
export const programsFolder = path.join(repositoryRoot, 'node_modules', '.cache', `espalier-test-${process.pid}`);
const built = new Map<string, Promise<string>>();
after(() => rmSync(programsFolder, { recursive: true, force: true }));

/** Builds a program once for a file of tests, with the thread that decodes images; both go with them. Gives its path. */
export function builtProgram(name: keyof typeof SOURCES): Promise<string> {
  const known = built.get(name) ?? buildProgram(name);
  built.set(name, known);
  return known;
}

async function buildProgram(name: keyof typeof SOURCES): Promise<string> {
  await build({
    absWorkingDir: repositoryRoot,
    entryPoints: { [name]: SOURCES[name], 'decode-thread': 'src/engine/data/decode-thread.ts' },
    outdir: programsFolder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['sharp', 'onnxruntime-node', 'onnxruntime-web', '@tensorflow/tfjs-node-gpu', '*.node'],
    define: { 'import.meta.url': 'moduleUrl' },
    banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: 'error',
  });
  return path.join(programsFolder, `${name}.cjs`);
}
