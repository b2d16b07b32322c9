/** What computes, as the host's setting says. */
import os from 'node:os';
import type { BackendOptions } from '../engine/compute/backends.ts';
import { runtimeStatus } from '../engine/compute/runtime/status.ts';
import type { RuntimeStatus } from '../protocol/values.ts';

/** `tfjs` is what `embedded` was called in the settings of earlier versions. */
const CHOICES = { auto: 'auto', tensorflow: 'tensorflow', embedded: 'embedded', tfjs: 'embedded' } as const;

export function backendOptions() {
  const asked = process.env['ESPALIER_BACKEND'] ?? 'auto';
  const device = process.env['ESPALIER_DEVICE'] === 'gpu' ? 'gpu' : 'cpu';
  const backend = Object.hasOwn(CHOICES, asked) ? CHOICES[asked as keyof typeof CHOICES] : 'auto';
  return { device, backend } as const satisfies BackendOptions;
}

/** `Intel Xeon Platinum 8581C, 2 cores`. */
export function processorName(): string {
  const cpus = os.cpus();
  return `${cpus[0]?.model.trim() || os.arch()}, ${cpus.length} ${cpus.length === 1 ? 'core' : 'cores'}`;
}

export async function statusForHost(signal: AbortSignal): Promise<RuntimeStatus> {
  const found = await runtimeStatus({ signal });
  const { backend, device } = backendOptions();
  const uses = found.usable && (backend === 'tensorflow' || (backend === 'auto' && device === 'cpu'));
  const onGpu = uses && found.variant === 'gpu' && found.devices.length > 0 && !found.reason;
  return {
    backend: uses
      ? `TensorFlow ${found.version ?? ''} ${onGpu ? 'GPU' : 'CPU'}`
      : `ONNX Runtime ${device.toUpperCase()}`,
    device: onGpu ? found.devices.join(', ') : processorName(),
    installed: found.installed,
    folder: found.path,
    ...(found.reason && { reason: found.reason }),
    worker: { pid: process.pid, node: process.version },
  };
}
