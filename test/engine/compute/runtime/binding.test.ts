/** The real binding, bundled as the worker and the command line are: one CommonJS file, run by plain Node. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { installedRuntime, loadTensorFlow } from '../../../../src/engine/compute/runtime/binding.ts';
import { thisHost } from '../../../../src/engine/compute/runtime/install-host.ts';
import { runtimeFiles, runtimeFolder } from '../../../../src/engine/compute/runtime/locate.ts';
import { runtimeStatus } from '../../../../src/engine/compute/runtime/status.ts';
import { fakeHost, temporaryFolder } from './fakes.ts';

const root = path.resolve(import.meta.dirname, '../../../..');
const skip = !installedRuntime() && 'the TensorFlow runtime is not installed';

/** Prints TensorFlow's version, in the main thread or in a worker thread. */
const PROGRAM = `
import { isMainThread, Worker } from 'node:worker_threads';
import { applySettings } from './src/engine/compute/runtime/runtime-settings.ts';
import { installedRuntime, loadTensorFlow } from './src/engine/compute/runtime/binding.ts';
if (process.argv[2] === 'thread' && isMainThread) {
  applySettings({}, installedRuntime());
  new Worker(__filename, { argv: ['thread'] });
} else {
  console.log(loadTensorFlow().TF_Version, loadTensorFlow() === loadTensorFlow());
}
`;

describe('the binding in a bundle', { skip }, () => {
  const bundle = path.join(temporaryFolder(), 'program.cjs');
  before(async () => {
    await build({
      stdin: { contents: PROGRAM, resolveDir: root, loader: 'ts' },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      outfile: bundle,
      define: { 'import.meta.url': '"file:///"' },
    });
  });

  for (const where of ['main', 'thread']) {
    test(`loads in the ${where}, once, and writes nothing of its own to stderr`, () => {
      const { TF_CPP_MIN_LOG_LEVEL: _, ...env } = process.env;
      const { stdout, stderr, status } = spawnSync(process.execPath, [bundle, where], { encoding: 'utf8', env });
      assert.deepEqual({ stdout, stderr, status }, { stdout: '2.21.0 true\n', stderr: '', status: 0 });
    });
  }

  test('status says that it is usable, and on what', async () => {
    const status = await runtimeStatus();
    assert.deepEqual([status.installed, status.usable, status.binding], [true, true, 'present']);
    assert.equal(status.version, '2.21.0');
    assert.ok(status.devices.length > 0);
  });

  test('a library that is damaged makes the runtime unusable, not the program', async () => {
    const real = runtimeFiles(installedRuntime()!.folder);
    const host = fakeHost(temporaryFolder(), {});
    const folder = runtimeFolder('cpu', host.environment);
    const files = runtimeFiles(folder);
    mkdirSync(path.dirname(files.binding), { recursive: true });
    copyFileSync(real.manifest, files.manifest);
    copyFileSync(real.binding, files.binding);
    writeFileSync(files.libraries[0], 'not a library');
    symlinkSync(real.libraries[1], files.libraries[1]);
    const status = await runtimeStatus({ host: { ...thisHost(), environment: host.environment } });
    assert.equal(status.usable, false);
    assert.match(status.reason ?? '', /libtensorflow_framework/);
    assert.throws(
      () => loadTensorFlow({}, { folder, manifest: installedRuntime()!.manifest }),
      /could not be loaded: .*libtensorflow_framework.*runtime install --force/,
    );
  });
});
