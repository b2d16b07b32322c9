// Installs what a fresh clone lacks, so that `npm test` and `npm run demo` work at once.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..');
// On Windows npm is a .cmd file, which only a shell starts.
const shell = process.platform === 'win32';

/** Runs a program in the project's folder with our terminal; ends this process when it fails. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    shell: shell && program === 'npm',
    ...options,
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

const olderThan = (a, b) => !existsSync(a) || statSync(a).mtimeMs < statSync(b).mtimeMs;

/** `npm ci` when node_modules is missing or older than the lock file. */
export function installPackages() {
  const installed = path.join(root, 'node_modules/.package-lock.json');
  if (olderThan(installed, path.join(root, 'package-lock.json'))) run('npm', ['ci', '--ignore-scripts']);
}
