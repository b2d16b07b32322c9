/** The Python that jobs of the flows run in. */
import { execFileSync } from 'node:child_process';

export const PYTHON = process.env['PYTHON'] ?? 'python3';

/** Why no job can run here; undefined when it can. */
export function pythonTorch(): string | undefined {
  try {
    execFileSync(PYTHON, ['-c', 'import torch, torchvision'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${PYTHON} has no torch and torchvision`;
  }
}
