/** ONNX Runtime's execution providers for GPUs: which one this platform has, whether it finds a GPU, and how much of a graph it runs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { InferenceSession } from 'onnxruntime-common';
import { UserError } from '../../../common/errors.ts';
import type { OnnxRuntime, OrtSession } from './load-onnxruntime.ts';
import { OnnxGraph } from './onnx-graph.ts';

export interface GpuProvider {
  /** As ONNX Runtime calls it. */
  readonly name: string;
  /** For the person: `WebGPU`. */
  readonly label: string;
  readonly options: InferenceSession.SessionOptions;
}

const LABELS = { webgpu: 'WebGPU', dml: 'DirectML', coreml: 'CoreML' } as const;
type ProviderName = keyof typeof LABELS;

/** In the order of preference. */
const BY_PLATFORM: Readonly<Partial<Record<NodeJS.Platform, readonly ProviderName[]>>> = {
  win32: ['dml', 'webgpu'],
  darwin: ['webgpu', 'coreml'],
  linux: ['webgpu'],
};

/** y = x + x, to see whether there is a GPU. */
function smallestModel(): Uint8Array {
  const graph = new OnnxGraph();
  const x = graph.input({ name: 'x', shape: [1] });
  return graph.encode('probe', [{ name: 'y', shape: [1], value: graph.op('Add', [x, x]) }]).model;
}

/** @throws UserError where this build has no such provider, or the provider finds no GPU */
export async function findGpuProvider(runtime: OnnxRuntime, platform = process.platform): Promise<GpuProvider> {
  const name = BY_PLATFORM[platform]?.find((provider) => runtime.providers.includes(provider));
  if (!name)
    throw new UserError(`ONNX Runtime has no GPU support on ${platform}-${process.arch}: leave --device gpu out.`);
  // DirectML plans its memory itself.
  const options = { executionProviders: [name, 'cpu'], enableMemPattern: name !== 'dml' };
  try {
    const session = await runtime.ort.InferenceSession.create(smallestModel(), { ...options, logSeverityLevel: 4 });
    await session.release();
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new UserError(`${LABELS[name]} finds no GPU that it can use: leave --device gpu out. (${reason})`);
  }
  return { name, label: LABELS[name], options };
}

interface ProfileEvent {
  readonly cat?: string;
  readonly name: string;
  readonly args?: { readonly provider?: string };
}

/** The share of a profile's operations that another provider than the CPU's ran, from 0 to 1. */
export function providerShare(profile: string): number {
  const providers = (JSON.parse(profile) as readonly ProfileEvent[]).flatMap(({ cat, name, args }) =>
    cat === 'Node' && name.endsWith('_kernel_time') && args?.provider ? [args.provider] : [],
  );
  const away = providers.filter((provider) => provider !== 'CPUExecutionProvider').length;
  return providers.length === 0 ? 0 : away / providers.length;
}

/** A session's first run, recorded: ONNX Runtime says only in a profile where it runs what. */
export class ProviderProfile {
  private readonly folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-gpu-'));

  get options(): InferenceSession.SessionOptions {
    return { enableProfiling: true, profileFilePrefix: path.join(this.folder, 'profile') };
  }

  /** Ends the recording; the share of the operations that the GPU's provider ran. */
  end(session: OrtSession): number {
    try {
      session.endProfiling();
      const [file] = readdirSync(this.folder);
      return file === undefined ? 0 : providerShare(readFileSync(path.join(this.folder, file), 'utf8'));
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}
