/** Where the decode thread's code lies: beside the bundle once built, in the source (through tsx) before. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

/** Name of the thread's own bundle, an entry point of the build beside whichever bundle starts it. */
const DECODE_THREAD_BUNDLE = 'decode-thread.cjs';

/** CommonJS is what the build makes; the source runs as ES modules, which have no `__dirname`. */
declare const __dirname: string | undefined;

/** tsx's hooks are not inherited by threads: the thread registers its own, then loads the TypeScript. */
function startFromSource(workerData: unknown): Worker {
  // The CommonJS form cannot register from code that is no file; the ES module lies beside it.
  const tsx = pathToFileURL(
    createRequire(import.meta.url)
      .resolve('tsx/esm/api')
      .replace(/\.cjs$/, '.mjs'),
  ).href;
  const source = new URL('./decode-thread.ts', import.meta.url).href;
  const code = `import(${JSON.stringify(tsx)}).then(({ register }) => (register(), import(${JSON.stringify(source)})));`;
  return new Worker(code, { eval: true, workerData, execArgv: [] });
}

/** Starts a thread that runs decode-thread. */
export function startDecodeThread(workerData: unknown): Worker {
  if (typeof __dirname !== 'string') return startFromSource(workerData);
  return new Worker(path.join(__dirname, DECODE_THREAD_BUNDLE), { workerData });
}
