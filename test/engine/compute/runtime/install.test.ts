import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../../../src/common/errors.ts';
import type { ProgressReport } from '../../../../src/common/progress.ts';
import { type InstallOptions, installRuntime } from '../../../../src/engine/compute/runtime/install.ts';
import { readManifest } from '../../../../src/engine/compute/runtime/locate.ts';
import { type FakeMachine, fakeHost, temporaryFolder, wheel, wheelBytes, zip } from './fakes.ts';

/** A program folder with the binding's source, so that a compiler is asked for it. */
function programFolder(): string {
  const folder = temporaryFolder();
  for (const [place, file] of [
    ['source', 'tfjs_backend.cc'],
    ['source', 'tfjs_binding.cc'],
    ['source', 'quiet.c'],
    ['include', 'node_api.h'],
  ]) {
    mkdirSync(path.join(folder, 'dist', 'binding', place), { recursive: true });
    writeFileSync(path.join(folder, 'dist', 'binding', place, file), '');
  }
  return folder;
}

function setUp(machine: FakeMachine, options: InstallOptions = {}) {
  const cache = temporaryFolder();
  const host = fakeHost(cache, machine);
  const folder = path.join(cache, 'espalier', 'tensorflow-2.21.0-cpu');
  const install = (more: InstallOptions = {}) =>
    installRuntime({ variant: 'cpu', host, wheels: [wheel], programFolder: programFolder(), ...options, ...more });
  /** What is in the cache, at any depth of one. */
  const left = () => (existsSync(path.dirname(folder)) ? readdirSync(path.dirname(folder)) : []);
  return { cache, host, folder, install, left };
}

const rejects = (work: Promise<unknown>, message: RegExp) =>
  assert.rejects(work, (error: Error) => {
    assert.ok(error instanceof UserError, `${error.stack}`);
    assert.match(error.message, message);
    return true;
  });

test('installs through pip, keeps only what is needed, and does nothing the second time', async () => {
  const { folder, host, install, left } = setUp({ pip: wheelBytes });
  const reports: ProgressReport[] = [];
  const result = await install({ progress: (report) => reports.push(report) });
  assert.deepEqual(result, {
    path: folder,
    version: '2.21.0',
    variant: 'cpu',
    alreadyInstalled: false,
    usesGpu: false,
  });
  const files = readdirSync(folder, { recursive: true }).map(String).sort();
  assert.deepEqual(
    files.filter((file) => /\./.test(path.basename(file))),
    [
      'runtime.json',
      'tensorflow/include/tensorflow/c/c_api.h',
      'tensorflow/libtensorflow_cc.so.2',
      'tensorflow/libtensorflow_framework.so.2',
      'tensorflow/quiet.node',
      'tensorflow/tfjs_binding.node',
    ],
  );
  assert.equal(readFileSync(path.join(folder, 'tensorflow', 'libtensorflow_framework.so.2'), 'utf8'), 'framework');
  assert.deepEqual(readManifest(folder)?.wheels, { [wheel.file]: wheel.sha256 });
  assert.deepEqual(left(), [path.basename(folder)]);
  assert.deepEqual([...new Set(reports.map((report) => report.phase))], ['verify', 'unpack', 'binding']);
  assert.match(
    host.log[1],
    /^python3 -I -m pip download .*--platform manylinux_2_27_x86_64 .*tensorflow-cpu==2\.21\.0$/,
  );

  const before = host.log.length;
  assert.equal((await install()).alreadyInstalled, true);
  assert.deepEqual(
    host.log.slice(before).map((line) => line.split(' ')[0]),
    ['node'],
    'only the probe ran',
  );
});

for (const indexFormat of ['json', 'html'] as const) {
  test(`without Python it downloads over HTTPS (${indexFormat} index)`, async () => {
    const { folder, host, install } = setUp({
      index: wheelBytes,
      indexFormat,
      variables: { PIP_INDEX_URL: 'https://mirror.example/simple/' },
    });
    const phases = new Set<string>();
    await install({ progress: ({ phase }) => phases.add(phase) });
    assert.ok(readManifest(folder));
    assert.ok(phases.has('download'));
    assert.deepEqual(
      host.log.filter((line) => line.startsWith('https')),
      ['https://mirror.example/simple/tensorflow-cpu/', `https://files.example/${wheel.file}`],
    );
  });
}

test('pip that fails is followed by HTTPS, and both reasons are told', async () => {
  const failed = { code: 1, stdout: '', stderr: 'noise\nERROR: No matching distribution' };
  const working = setUp({ pip: failed, index: wheelBytes });
  await working.install();
  assert.ok(readManifest(working.folder));
  const broken = setUp({ pip: failed });
  await rejects(
    broken.install(),
    /pip: noise\nERROR: No matching distribution\nHTTPS: fetch failed \(getaddrinfo ENOTFOUND/,
  );
  assert.deepEqual(broken.left(), []);
});

test('no Python and no network', async () => {
  const { install, left } = setUp({});
  await rejects(install(), /pip: no Python with pip was found\nHTTPS: .*\n.*--from/s);
  assert.deepEqual(left(), []);
});

test('a file with another checksum is refused and removed', async () => {
  const { install, left } = setUp({ pip: zip({ 'tensorflow/libtensorflow_cc.so.2': 'x'.repeat(20_000) }) });
  await rejects(install(), /is not the expected file.*expected [0-9a-f]{64}.*Nothing was installed/s);
  assert.deepEqual(left(), []);
});

test('a truncated download is refused and says so', async () => {
  const { install, left } = setUp({ index: wheelBytes.subarray(0, 100) });
  await rejects(install(), /cut off after 100 of \d+ bytes/);
  assert.deepEqual(left(), []);
});

test('a download that does not end is stopped', async () => {
  const { install } = setUp({ index: Buffer.concat([wheelBytes, wheelBytes]) });
  await rejects(install(), /longer than \d+ bytes/);
});

test('a damaged archive, although it is the pinned one', async () => {
  const { createHash } = await import('node:crypto');
  const damaged = Buffer.from(wheelBytes);
  damaged.fill(0xff, 70, 90);
  const sha256 = createHash('sha256').update(damaged).digest('hex');
  const { install, left } = setUp({ pip: damaged }, { wheels: [{ ...wheel, sha256 }] });
  await rejects(install(), /could not be unpacked/);
  assert.deepEqual(left(), []);
});

test('a name that leads out of the folder is refused', async () => {
  const { createHash } = await import('node:crypto');
  const hostile = zip({ 'tensorflow/lib/../../../../evil': 'x', 'tensorflow/libtensorflow_cc.so.2': 'x' });
  const sha256 = createHash('sha256').update(hostile).digest('hex');
  const pinned = { ...wheel, sha256, bytes: hostile.length };
  const { cache, install } = setUp({ pip: hostile }, { wheels: [pinned] });
  await rejects(install(), /could not be unpacked .*invalid relative path/);
  assert.ok(!existsSync(path.join(cache, 'evil')));
});

test('too little space is found before anything is downloaded', async () => {
  const { host, install } = setUp({ pip: wheelBytes, free: 100 });
  await rejects(install(), /needs 0\.0 GB, and .* has 0\.0 GB left/);
  assert.deepEqual(host.log, []);
});

test('cancelling leaves nothing behind', async () => {
  for (const when of ['verify', 'unpack', 'binding']) {
    const { install, left } = setUp({ pip: wheelBytes });
    const controller = new AbortController();
    const progress = ({ phase }: ProgressReport) => {
      if (phase === when) controller.abort();
    };
    await assert.rejects(install({ signal: controller.signal, progress }), { name: 'AbortError' }, when);
    assert.deepEqual(left(), [], when);
  }
});

test('no compiler and no prebuilt binding: says what to install', async () => {
  const { install, left } = setUp({ pip: wheelBytes, compiler: false });
  await rejects(install(), /no C\+\+ compiler.*apt install g\+\+/s);
  assert.deepEqual(left(), []);
});

test('a prebuilt binding is used where there is one', async () => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'dist', 'binding', 'linux-x64'), { recursive: true });
  for (const file of ['quiet.node', 'tfjs_binding.node']) {
    writeFileSync(path.join(folder, 'dist', 'binding', 'linux-x64', file), 'prebuilt');
  }
  const setup = setUp({ pip: wheelBytes, compiler: false }, { programFolder: folder });
  await setup.install();
  assert.equal(readFileSync(path.join(setup.folder, 'tensorflow', 'tfjs_binding.node'), 'utf8'), 'prebuilt');
});

test('a library that does not start is reported with its reason', async () => {
  const probe = { code: -1, stdout: '', stderr: 'ended by SIGILL' };
  const { install } = setUp({ pip: wheelBytes, probe });
  await rejects(install(), /cannot be used\. TensorFlow does not run on this processor/);
});

test('from a folder, without a network', async () => {
  const from = temporaryFolder();
  const { folder, install } = setUp({}, { from });
  await rejects(install(), /tensorflow_cpu-.* is not in /);
  writeFileSync(path.join(from, wheel.file), wheelBytes);
  await install();
  assert.ok(readManifest(folder));
  assert.deepEqual(readdirSync(from), [wheel.file]);
});

test('what a killed run has left is removed, and a half-made runtime replaced', async () => {
  const { folder, install, left } = setUp({ pip: wheelBytes });
  mkdirSync(path.join(`${folder}.new-abc`, 'downloads'), { recursive: true });
  mkdirSync(path.join(folder, 'tensorflow'), { recursive: true });
  await install();
  assert.ok(readManifest(folder));
  assert.deepEqual(left(), [path.basename(folder)]);
});

test('a folder of the person’s own that holds something else is left alone', async () => {
  const own = temporaryFolder();
  writeFileSync(path.join(own, 'thesis.tex'), '');
  const { install } = setUp({ pip: wheelBytes, variables: { ESPALIER_RUNTIME: own } });
  await rejects(install(), /ESPALIER_RUNTIME names .* which holds something else/);
  assert.deepEqual(readdirSync(own), ['thesis.tex']);
});

test('a platform without wheels says so in one line', async () => {
  const host = fakeHost(temporaryFolder(), {});
  const windows = { ...host, environment: { ...host.environment, platform: 'win32' as const } };
  await rejects(
    installRuntime({ host: windows }),
    /^There is no TensorFlow 2\.21\.0 runtime \(cpu\) for win32-x64, only for linux-x64, linux-arm64, darwin-arm64\..*$/,
  );
});

test('two installations at once: the second is told of the first', async () => {
  const { host, install, folder } = setUp({ pip: wheelBytes });
  let second: Promise<unknown> | undefined;
  // The second starts while the first is at its download, and the first goes on when the second has been told.
  const run: typeof host.run = async (command, args, options) => {
    if (!second && args.includes('download')) {
      second = install();
      await rejects(second, /being installed by (process \d+|another process)/);
    }
    return host.run(command, args, options);
  };
  await install({ host: { ...host, run } });
  assert.ok(second);
  assert.ok(readManifest(folder));
});
