/** TensorFlow's settings are environment variables, read when its library is loaded or first used. */
import path from 'node:path';
import type { FoundRuntime } from './locate.ts';

export interface TensorFlowSettings {
  /** Threads within one operation; default: all cores. */
  readonly intraOpThreads?: number;
  /** Operations at the same time; default: all cores. */
  readonly interOpThreads?: number;
  /** 0 everything, 1 no information, 2 no warnings (default), 3 no errors. */
  readonly logLevel?: 0 | 1 | 2 | 3;
}

/** The variables that stand for `settings`; what is not set is left out. */
function settingsVariables(settings: TensorFlowSettings): Record<string, string> {
  const { intraOpThreads, interOpThreads, logLevel } = settings;
  return {
    ...(intraOpThreads ? { TF_NUM_INTRAOP_THREADS: String(intraOpThreads) } : {}),
    ...(interOpThreads ? { TF_NUM_INTEROP_THREADS: String(interOpThreads) } : {}),
    ...(logLevel === undefined ? {} : { TF_CPP_MIN_LOG_LEVEL: String(logLevel) }),
  };
}

/** What TensorFlow should be told about a runtime where the person has not said otherwise. */
export function runtimeVariables({ folder, manifest }: FoundRuntime): Record<string, string> {
  // By itself TensorFlow uses oneDNN only on processors with AVX-512 or AMX; it is faster on older ones too, and fused kernels need it.
  const oneDnn: Record<string, string> = manifest.platform === 'linux-x64' ? { TF_ENABLE_ONEDNN_OPTS: '1' } : {};
  if (manifest.variant === 'cpu') return { TF_CPP_MIN_LOG_LEVEL: '2', ...oneDnn };
  return {
    TF_CPP_MIN_LOG_LEVEL: '2',
    // GPU memory is taken as it is needed: a workstation's GPU also draws its screen.
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    XLA_FLAGS: `--xla_gpu_cuda_data_dir=${path.join(folder, 'nvidia', 'cuda_nvcc')}`,
  };
}

/**
 * Sets the variables in this process; call it before TensorFlow is loaded. In a worker thread `process.env` is a copy that
 * TensorFlow does not see: there the main thread must have set them.
 */
export function applySettings(
  settings: TensorFlowSettings,
  runtime: FoundRuntime,
  variables: NodeJS.ProcessEnv = process.env,
): void {
  for (const [name, value] of Object.entries(runtimeVariables(runtime))) variables[name] ??= value;
  Object.assign(variables, settingsVariables(settings));
}
