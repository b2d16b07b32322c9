/** Python, for cross-checks with PyTorch and ONNX Runtime where they happen to be installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';

export const PYTHON = process.env['ESPALIER_TEST_PYTHON'] ?? 'python3';

/** Whether these modules can be found, without importing them. */
function hasModules(modules: readonly string[]): boolean {
  const code = 'import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))';
  return spawnSync(PYTHON, ['-c', code, ...modules], { stdio: 'ignore' }).status === 0;
}

/** Pass to `test` as its `skip`: false where a Python has these modules. */
export const noPythonWith = (...modules: readonly string[]): string | false =>
  !hasModules(modules) && `no Python with ${modules.join(' and ')}`;

/** Runs a script beside the tests and gives the JSON that it prints last. Throws with its stderr. */
export function runPython<T>(script: string, ...args: readonly string[]): T {
  const file = path.resolve(import.meta.dirname, '..', script);
  const output = execFileSync(PYTHON, [file, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as T;
}
