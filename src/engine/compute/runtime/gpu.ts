/** Is there an NVIDIA GPU with its driver? Looked up in the file system: no process is started and no library is loaded. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const DRIVER_LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/libcuda.so.1',
  '/usr/lib/aarch64-linux-gnu/libcuda.so.1',
  '/usr/lib64/libcuda.so.1',
  '/usr/lib/libcuda.so.1',
  '/usr/lib/wsl/lib/libcuda.so.1',
];

/** True where CUDA's driver library and a device are present; containers and WSL included. */
export function hasGpuDriver(root = '/'): boolean {
  const at = (file: string) => existsSync(path.join(root, file));
  const device = at('/dev/nvidiactl') || at('/dev/nvidia0') || at('/dev/dxg');
  return device && (DRIVER_LIBRARIES.some(at) || at('/proc/driver/nvidia/version'));
}

/** The models of the GPUs, as the driver names them (`NVIDIA H100 80GB HBM3`); empty where it does not say. */
export function gpuNames(root = '/'): string[] {
  const folder = path.join(root, '/proc/driver/nvidia/gpus');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((device) => {
    const file = path.join(folder, device, 'information');
    if (!existsSync(file)) return [];
    const model = /^Model:\s*(.+)$/m.exec(readFileSync(file, 'utf8'));
    return model ? [model[1].trim()] : [];
  });
}
