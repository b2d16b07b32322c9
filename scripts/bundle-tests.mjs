// The tests as bundles: one file each, which node loads sooner than tsx does hundreds of modules. What a module
// says of itself (`import.meta`) is that of its source, so that files beside it are found; stacks lead to the sources by their maps.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, transform } from 'esbuild';

/** Beside the packages, which stay outside of the bundles. */
const FOLDER = path.join('node_modules', '.cache');

/** Modules that ask where they are get the answer of their source. */
const ownPlaces = {
  name: 'own-places',
  setup({ onLoad }) {
    onLoad({ filter: /\.(ts|mjs)$/ }, async ({ path: file }) => {
      const source = await readFile(file, 'utf8');
      if (!source.includes('import.meta.')) return undefined;
      const define = {
        'import.meta.url': JSON.stringify(pathToFileURL(file).href),
        'import.meta.dirname': JSON.stringify(path.dirname(file)),
        'import.meta.filename': JSON.stringify(file),
      };
      const { code } = await transform(source, { loader: 'ts', define, sourcefile: file, sourcemap: 'inline' });
      return { contents: code, loader: 'js' };
    });
  },
};

/** Removes the bundles of runs that were killed. */
function removeLeftovers(cache) {
  for (const name of existsSync(cache) ? readdirSync(cache) : []) {
    const pid = Number(/^tests-(\d+)$/.exec(name)?.[1]);
    if (pid && !isAlive(pid)) rmSync(path.join(cache, name), { recursive: true, force: true });
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * Bundles test files (paths below `root`) into a folder of their own. The runner takes files in the order of their names: bundles are
 * numbered in the order given.
 * @returns the folder, and the source of each bundle by its path
 */
export async function bundleTests(root, files) {
  removeLeftovers(path.join(root, FOLDER));
  const folder = path.join(root, FOLDER, `tests-${process.pid}`);
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
  };
  const bundled = files.map((file, index) => {
    const number = String(index).padStart(3, '0');
    return { file, name: `${number}-${path.basename(file, '.ts')}` };
  });
  await Promise.all([
    build({
      ...common,
      entryPoints: bundled.map(({ file, name }) => ({ in: path.resolve(root, file), out: name })),
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      format: 'esm',
      // By this the loader of images finds the bundle of its threads.
      define: { __dirname: JSON.stringify(folder) },
      plugins: [ownPlaces],
    }),
    build({
      ...common,
      entryPoints: [path.join(root, 'src/engine/data/decode-thread.ts')],
      outfile: path.join(folder, 'decode-thread.cjs'),
      format: 'cjs',
    }),
  ]);
  return { folder, files: new Map(bundled.map(({ file, name }) => [path.join(folder, `${name}.mjs`), file])) };
}
