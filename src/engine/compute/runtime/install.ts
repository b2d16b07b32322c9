/** Installs the TensorFlow runtime: downloads the pinned wheels, keeps what is needed, adds the binding, and tries it. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import { type Holder, lockAdvice, withLock } from '../../files/lock.ts';
import { describeProcess } from '../../files/process-id.ts';
import { ensureBinding } from './build-binding.ts';
import { getWheel } from './download.ts';
import { hasGpuDriver } from './gpu.ts';
import { type Host, thisHost } from './install-host.ts';
import {
  platformName,
  RUNTIME_VARIABLE,
  type RuntimeManifest,
  type RuntimeVariant,
  readManifest,
  runtimeFiles,
  runtimeFolder,
  TENSORFLOW_VERSION,
} from './locate.ts';
import { loadSucceeds } from './probe.ts';
import { unpackWheel } from './unpack.ts';
import { type Wheel, wheelsFor } from './wheels.ts';

export interface InstallOptions extends RunContext {
  /** Default: `gpu` where there is an NVIDIA driver and a runtime for it, else `cpu`. */
  readonly variant?: RuntimeVariant;
  /** Install again although it is there. */
  readonly force?: boolean;
  /** A folder that holds the wheels: nothing is downloaded. */
  readonly from?: string;
  /** For tests: the machine and the wheels. */
  readonly host?: Host;
  readonly wheels?: readonly Wheel[];
  readonly programFolder?: string;
}

export interface InstallResult {
  readonly path: string;
  readonly version: string;
  readonly variant: RuntimeVariant;
  /** Nothing had to be done. */
  readonly alreadyInstalled: boolean;
  readonly usesGpu: boolean;
}

/**
 * Installs into the per-user cache folder (or `ESPALIER_RUNTIME`). The new runtime appears there whole or not at all; a run that is
 * cancelled or fails leaves nothing behind. Doing it again does nothing. Throws a UserError with what to do.
 */
export async function installRuntime(options: InstallOptions = {}): Promise<InstallResult> {
  const { host = thisHost(), signal } = options;
  const platform = platformName(host.environment);
  const variant = options.variant ?? (hasGpuDriver() && platform === 'linux-x64' ? 'gpu' : 'cpu');
  const wheels = options.wheels ?? wheelsFor(platform, variant);
  const folder = runtimeFolder(variant, host.environment);
  throwIfAborted(signal);
  return withLock(`${folder}.lock`, busyError, async () => {
    const installed = readManifest(folder);
    const complete = installed?.version === TENSORFLOW_VERSION && installed.variant === variant;
    if (!installed && !(await isFree(folder)) && host.environment.variables[RUNTIME_VARIABLE]) {
      throw new UserError(`${RUNTIME_VARIABLE} names ${folder}, which holds something else. Name an empty folder.`);
    }
    const files = runtimeFiles(folder, host.environment.platform);
    const alreadyInstalled = complete && !options.force && existsSync(files.binding);
    if (complete && !options.force) await ensureBinding(files, options);
    else
      await installInto(
        folder,
        { version: TENSORFLOW_VERSION, variant, platform, wheels: checksums(wheels) },
        wheels,
        options,
      );
    const probe = await loadSucceeds({ folder, manifest: readManifest(folder)! }, host, signal);
    if (!probe.ok) throw new UserError(`The runtime is installed in ${folder}, but it cannot be used. ${probe.reason}`);
    return { path: folder, version: probe.version, variant, alreadyInstalled, usesGpu: probe.gpu };
  });
}

const busyError = (holder: Holder): Error =>
  new UserError(
    `The TensorFlow runtime is being installed by ${describeProcess(holder)}. Wait for it to finish.${lockAdvice(holder)}`,
  );

const checksums = (wheels: readonly Wheel[]): Record<string, string> =>
  Object.fromEntries(wheels.map((wheel) => [wheel.file, wheel.sha256]));

/** Not there, or empty. */
async function isFree(folder: string): Promise<boolean> {
  return !existsSync(folder) || (await readdir(folder)).length === 0;
}

/** Everything is made in a temporary folder beside `folder`, so that the last step is a rename. */
async function installInto(
  folder: string,
  manifest: RuntimeManifest,
  wheels: readonly Wheel[],
  options: InstallOptions,
): Promise<void> {
  const { host = thisHost(), signal, progress } = options;
  const parent = path.dirname(folder);
  await mkdir(parent, { recursive: true });
  await removeLeftovers(folder);
  await checkSpace(parent, wheels, host, options.from !== undefined);
  const staging = await mkdtemp(`${folder}.new-`);
  try {
    for (const wheel of wheels) {
      const downloads = path.join(staging, 'downloads');
      const file = await getWheel(wheel, downloads, { host, from: options.from, signal, progress });
      await unpackWheel(file, wheel, staging, { signal, progress });
      await rm(downloads, { recursive: true, force: true });
    }
    const files = runtimeFiles(staging, host.environment.platform);
    const missing = files.libraries.filter((library) => !existsSync(library));
    if (missing.length > 0)
      throw new UserError(`${wheels[0].file} has no ${missing.map((file) => path.basename(file)).join(', ')}.`);
    await ensureBinding(files, options);
    await writeFile(files.manifest, `${JSON.stringify(manifest, null, 2)}\n`);
    throwIfAborted(signal);
    await replaceFolder(staging, folder);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** What runs that were killed have left; nobody else is at it while the lock is held. */
async function removeLeftovers(folder: string): Promise<void> {
  const parent = path.dirname(folder);
  const leftover = `${path.basename(folder)}.new-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(leftover)) await rm(path.join(parent, name), { recursive: true, force: true });
  }
}

/** Puts `next` in the place of `folder`. */
async function replaceFolder(next: string, folder: string): Promise<void> {
  const old = `${next}.old`;
  if (existsSync(folder)) await rename(folder, old);
  await rename(next, folder);
  await rm(old, { recursive: true, force: true });
}

async function checkSpace(parent: string, wheels: readonly Wheel[], host: Host, downloaded: boolean): Promise<void> {
  const unpacked = wheels.reduce((total, wheel) => total + wheel.unpackedBytes, 0);
  // One wheel at a time lies beside what is unpacked.
  const needed = unpacked + (downloaded ? 0 : Math.max(...wheels.map((wheel) => wheel.bytes)));
  const free = await host.freeBytes(parent);
  if (free >= needed) return;
  throw new UserError(
    `The TensorFlow runtime needs ${gigabytes(needed)} GB, and ${parent} has ${gigabytes(free)} GB left. ` +
      `Free some space, or set ${RUNTIME_VARIABLE} to a folder on another disk.`,
  );
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
