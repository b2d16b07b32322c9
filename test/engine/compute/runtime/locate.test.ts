import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gpuNames, hasGpuDriver } from '../../../../src/engine/compute/runtime/gpu.ts';
import {
  type Environment,
  findRuntime,
  runtimeFiles,
  runtimeFolder,
} from '../../../../src/engine/compute/runtime/locate.ts';
import { applySettings } from '../../../../src/engine/compute/runtime/runtime-settings.ts';
import { runtimeStatus } from '../../../../src/engine/compute/runtime/status.ts';
import { pipTags, wheelsFor } from '../../../../src/engine/compute/runtime/wheels.ts';
import { fakeHost, temporaryFolder } from './fakes.ts';

const environment = (platform: NodeJS.Platform, variables: NodeJS.ProcessEnv = {}): Environment => ({
  platform,
  arch: 'x64',
  variables,
  home: '/home/me',
});

function fakeRuntime(folder: string, variant: 'cpu' | 'gpu', withBinding = true): void {
  const files = runtimeFiles(folder);
  mkdirSync(path.dirname(files.binding), { recursive: true });
  for (const library of files.libraries) writeFileSync(library, '');
  if (withBinding) writeFileSync(files.binding, '');
  writeFileSync(files.manifest, JSON.stringify({ version: '2.21.0', variant, platform: 'linux-x64', wheels: {} }));
}

test('the folder follows each system’s custom, and ESPALIER_RUNTIME goes before', () => {
  const name = 'tensorflow-2.21.0-cpu';
  assert.equal(runtimeFolder('cpu', environment('linux')), `/home/me/.cache/espalier/${name}`);
  assert.equal(runtimeFolder('cpu', environment('linux', { XDG_CACHE_HOME: '/c' })), `/c/espalier/${name}`);
  assert.equal(
    runtimeFolder('cpu', environment('linux', { XDG_CACHE_HOME: 'relative' })),
    `/home/me/.cache/espalier/${name}`,
  );
  assert.equal(runtimeFolder('cpu', environment('darwin')), `/home/me/Library/Caches/espalier/${name}`);
  assert.match(runtimeFolder('cpu', environment('win32', { LOCALAPPDATA: '/l' })), /^\/l\/espalier\//);
  assert.equal(runtimeFolder('gpu', environment('linux', { ESPALIER_RUNTIME: '/r' })), '/r');
});

test('the GPU runtime is found first where there is a driver', () => {
  const cache = temporaryFolder();
  const here = environment('linux', { XDG_CACHE_HOME: cache });
  assert.equal(findRuntime(true, here), undefined);
  fakeRuntime(runtimeFolder('cpu', here), 'cpu');
  assert.equal(findRuntime(true, here)?.manifest.variant, 'cpu');
  fakeRuntime(runtimeFolder('gpu', here), 'gpu');
  assert.equal(findRuntime(true, here)?.manifest.variant, 'gpu');
  assert.equal(findRuntime(false, here)?.manifest.variant, 'cpu');
});

test('a driver and the GPUs’ names are read from the file system', () => {
  const root = temporaryFolder();
  assert.equal(hasGpuDriver(root), false);
  const put = (file: string, text = '') => {
    mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  };
  put('usr/lib/x86_64-linux-gnu/libcuda.so.1');
  assert.equal(hasGpuDriver(root), false, 'a driver library without a device');
  put('dev/nvidiactl');
  assert.equal(hasGpuDriver(root), true);
  assert.deepEqual(gpuNames(root), []);
  put('proc/driver/nvidia/gpus/0000:01:00.0/information', 'Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 1\n');
  assert.deepEqual(gpuNames(root), ['NVIDIA H100 80GB HBM3']);
});

test('status tells what is missing', async () => {
  const cache = temporaryFolder();
  const host = fakeHost(cache, {});
  const none = await runtimeStatus({ host });
  assert.deepEqual([none.installed, none.usable, none.binding], [false, false, 'missing']);
  assert.match(none.reason ?? '', /not installed/);

  fakeRuntime(none.path, 'cpu', false);
  const half = await runtimeStatus({ host });
  assert.deepEqual([half.installed, half.usable, half.binding, half.version], [true, false, 'missing', '2.21.0']);

  fakeRuntime(none.path, 'cpu');
  const whole = await runtimeStatus({ host });
  assert.deepEqual([whole.installed, whole.usable, whole.devices.length], [true, true, 1]);

  const probe = { code: 1, stdout: '', stderr: 'x\nError: libfoo.so: cannot open shared object file\n  at y' };
  const broken = await runtimeStatus({ host: fakeHost(cache, { probe }) });
  assert.equal(broken.usable, false);
  assert.match(broken.reason ?? '', /did not start \(code 1\): libfoo\.so: cannot open/);
});

test('settings become variables; the person’s own stay', () => {
  const folder = '/r';
  const manifest = { version: '2.21.0', variant: 'gpu', platform: 'linux-x64', wheels: {} } as const;
  const variables: NodeJS.ProcessEnv = { TF_CPP_MIN_LOG_LEVEL: '0', TF_NUM_INTEROP_THREADS: '7' };
  applySettings({ intraOpThreads: 2 }, { folder, manifest }, variables);
  assert.deepEqual(variables, {
    TF_CPP_MIN_LOG_LEVEL: '0',
    TF_NUM_INTEROP_THREADS: '7',
    TF_NUM_INTRAOP_THREADS: '2',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    XLA_FLAGS: '--xla_gpu_cuda_data_dir=/r/nvidia/cuda_nvcc',
  });
});

test('oneDNN is on whatever the processor: by itself TensorFlow leaves it off without AVX-512', () => {
  const variables: NodeJS.ProcessEnv = {};
  applySettings(
    {},
    { folder: '/r', manifest: { version: '2.21.0', variant: 'cpu', platform: 'linux-x64', wheels: {} } },
    variables,
  );
  assert.deepEqual(variables, { TF_CPP_MIN_LOG_LEVEL: '2', TF_ENABLE_ONEDNN_OPTS: '1' });
});

test('every pinned wheel is whole: a checksum, a size, and the tags pip needs', () => {
  for (const [platform, variant] of [
    ['linux-x64', 'cpu'],
    ['linux-x64', 'gpu'],
    ['linux-arm64', 'cpu'],
    ['darwin-arm64', 'cpu'],
  ] as const) {
    const wheels = wheelsFor(platform, variant);
    assert.equal(wheels.length, variant === 'gpu' ? 13 : 1, platform);
    for (const wheel of wheels) {
      assert.match(wheel.sha256, /^[0-9a-f]{64}$/, wheel.file);
      assert.ok(wheel.bytes > 900_000, wheel.file);
      assert.ok(wheel.file.startsWith(`${wheel.project.replaceAll('-', '_')}-${wheel.version}-`), wheel.file);
      const { platforms } = pipTags(wheel);
      assert.ok(platforms.length > 0 && platforms.every((tag) => /^(manylinux|macosx)/.test(tag)), wheel.file);
    }
  }
  const [cuda] = wheelsFor('linux-x64', 'gpu').filter((wheel) => wheel.project === 'nvidia-cuda-cupti-cu12');
  assert.equal(cuda.file.split('-')[0], 'nvidia_cuda_cupti_cu12');
  assert.deepEqual(pipTags(cuda).platforms, ['manylinux2014_x86_64', 'manylinux_2_17_x86_64']);
  assert.ok(cuda.keep.test('nvidia/cuda_cupti/lib/libcupti.so.12'));
  assert.ok(!cuda.keep.test('nvidia/cuda_cupti/include/cupti.h'));
});
