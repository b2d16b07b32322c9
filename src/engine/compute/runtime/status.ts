/** What is installed and whether it works here, as plain data. */
import { existsSync } from 'node:fs';
import os from 'node:os';
import { gpuNames, hasGpuDriver } from './gpu.ts';
import { type Host, thisHost } from './install-host.ts';
import {
  type FoundRuntime,
  findRuntime,
  platformName,
  type RuntimeVariant,
  runtimeFiles,
  runtimeFolder,
} from './locate.ts';
import { loadSucceeds } from './probe.ts';

export interface RuntimeStatus {
  readonly installed: boolean;
  /** Installed, with its binding, and TensorFlow starts. */
  readonly usable: boolean;
  /** Where it is, or would be installed. */
  readonly path: string;
  /** TensorFlow's version, as the library says it; the manifest's where it does not start. */
  readonly version?: string;
  readonly variant?: RuntimeVariant;
  readonly platform: string;
  /** `missing`: the library is there, but not what connects Node to it. */
  readonly binding: 'present' | 'missing';
  /** What it computes on: the GPUs, else the processor. */
  readonly devices: readonly string[];
  /** Why it is not usable, or what would make it faster. */
  readonly reason?: string;
}

export interface StatusOptions {
  readonly host?: Host;
  readonly signal?: AbortSignal;
}

/** Looks for the runtime and starts it once in a process of its own: a library that does not fit the processor ends its process. */
export async function runtimeStatus({ host = thisHost(), signal }: StatusOptions = {}): Promise<RuntimeStatus> {
  const driver = hasGpuDriver();
  const platform = platformName(host.environment);
  const found = findRuntime(driver, host.environment);
  if (!found) {
    return {
      installed: false,
      usable: false,
      path: runtimeFolder(driver ? 'gpu' : 'cpu', host.environment),
      platform,
      binding: 'missing',
      devices: [],
      reason: 'The TensorFlow runtime is not installed: "espalier runtime install".',
    };
  }
  const { variant, version } = found.manifest;
  const base = { installed: true, path: found.folder, platform, variant, version };
  if (!existsSync(runtimeFiles(found.folder).binding)) {
    const reason = 'The binding is missing: "espalier runtime install" makes it.';
    return { ...base, usable: false, binding: 'missing', devices: [], reason };
  }
  return { ...base, binding: 'present', ...(await started(found, driver, host, signal)) };
}

async function started(
  found: FoundRuntime,
  driver: boolean,
  host: Host,
  signal: AbortSignal | undefined,
): Promise<Pick<RuntimeStatus, 'usable' | 'devices' | 'reason'> & { readonly version?: string }> {
  const probe = await loadSucceeds(found, host, signal);
  if (!probe.ok) return { usable: false, devices: [], reason: probe.reason };
  const devices = probe.gpu ? gpuNames() : [os.cpus()[0]?.model.trim() || host.environment.arch];
  return { usable: true, version: probe.version, devices, reason: slowerThanPossible(found, driver, probe.gpu) };
}

function slowerThanPossible(found: FoundRuntime, driver: boolean, usesGpu: boolean): string | undefined {
  if (!driver || usesGpu) return undefined;
  return found.manifest.variant === 'gpu'
    ? 'There is a GPU, but TensorFlow could not use it: its driver may be older than CUDA 12 needs.'
    : 'There is a GPU, but the runtime is for the processor only: "espalier runtime install --variant gpu".';
}
