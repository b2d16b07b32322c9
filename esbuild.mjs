// Builds everything that runs from dist/: extension host, worker, command line, decode worker, webviews. `--watch` goes on building.
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { build, context } from 'esbuild';

const watch = process.argv.includes('--watch');
const production = process.argv.includes('--production');

const common = {
  bundle: true,
  sourcemap: production ? false : 'linked',
  minify: production,
  keepNames: production,
  logLevel: 'warning',
  legalComments: 'none',
};

/** Programs for Node, each as one CommonJS file: extension hosts before VS Code 1.100 load nothing else. */
const NODE_ENTRIES = [
  { from: 'src/extension/main.ts', to: 'extension' },
  { from: 'src/worker/main.ts', to: 'worker' },
  { from: 'src/worker/run-main.ts', to: 'run' },
  { from: 'src/cli/main.ts', to: 'espalier' },
  { from: 'src/engine/data/decode-thread.ts', to: 'decode-thread' },
];

/** What stays outside: the host's own module, and packages that carry binaries (they are packed beside dist/). */
const EXTERNAL = ['vscode', 'sharp', 'onnxruntime-node', 'onnxruntime-web', '@tensorflow/tfjs-node-gpu', '*.node'];

const node = {
  ...common,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  outExtension: { '.js': '.cjs' },
  outdir: 'dist',
  external: EXTERNAL,
  define: { 'import.meta.url': 'moduleUrl' },
  banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
};

/** webview/NAME/main.ts becomes dist/webview/NAME.js (and .css); web workers (threads) beside it become NAME-THREAD.js. */
function webviewEntries() {
  if (!existsSync('webview')) return [];
  return readdirSync('webview', { withFileTypes: true })
    .filter((folder) => folder.isDirectory())
    .flatMap(({ name }) => {
      const folder = path.join('webview', name);
      const entries = readdirSync(folder).filter((file) => file === 'main.ts' || file.endsWith('-thread.ts'));
      return entries.map((file) => ({
        in: path.join(folder, file),
        out: file === 'main.ts' ? name : `${name}-${file.replace(/\.ts$/, '')}`,
      }));
    });
}

const webview = {
  ...common,
  platform: 'browser',
  format: 'iife',
  target: 'es2022',
  outdir: 'dist/webview',
  loader: { '.svg': 'text', '.ttf': 'file' },
  assetNames: '[name]',
};

/** Files that programs read at run time, by package: the icon font. */
const ASSETS = [{ from: '@vscode/codicons', folder: 'dist', pattern: /^codicon\.(css|ttf)$/, to: 'dist/webview' }];

function copyAssets() {
  for (const { from, folder, pattern, to } of ASSETS) {
    const root = path.join('node_modules', from, folder);
    if (!existsSync(root)) continue;
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(root).filter((file) => pattern.test(file)))
      cpSync(path.join(root, name), path.join(to, name));
  }
}

const jobs = [
  ...NODE_ENTRIES.filter(({ from }) => existsSync(from)).map(({ from, to }) => ({
    ...node,
    entryPoints: [{ in: from, out: to }],
  })),
  ...webviewEntries().map((entry) => ({ ...webview, entryPoints: [entry] })),
];

copyAssets();
if (watch) {
  for (const job of jobs) await (await context(job)).watch();
} else {
  // Every bundle is tried: one that fails does not keep the others from being fresh. esbuild prints what is wrong.
  const results = await Promise.allSettled(jobs.map((job) => build(job)));
  if (results.some(({ status }) => status === 'rejected')) process.exitCode = 1;
}
