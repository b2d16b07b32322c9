// From a fresh clone to the whole job: installs what is missing, builds, installs the TensorFlow runtime where it can,
// then evaluates, scores, prunes, finetunes and evaluates the sample model. Arguments go to `espalier demo`.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { installPackages, root, run } from './bootstrap.mjs';

installPackages();
run(process.execPath, ['esbuild.mjs', '--log-level=warning']);
const program = path.join(root, 'dist', 'espalier.cjs');
if (!process.argv.includes('embedded')) {
  const installed = spawnSync(process.execPath, [program, 'runtime', 'install'], { cwd: root, stdio: 'inherit' });
  if (installed.status !== 0) console.error('No TensorFlow runtime on this machine: ONNX Runtime does the work.');
}
run(process.execPath, [program, 'demo', ...process.argv.slice(2)]);
