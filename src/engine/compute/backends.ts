/** Which executor runs here: TensorFlow where its runtime is installed, else ONNX Runtime, which comes with Espalier. */
import { UserError } from '../../common/errors.ts';
import type { Executor } from './executor.ts';
import { installedRuntime, loadTensorFlow } from './runtime/binding.ts';
import type { ProductType } from './tensorflow/lowering-context.ts';
import { tensorFlowExecutor } from './tensorflow/tensorflow-executor.ts';

export type BackendChoice = 'auto' | 'tensorflow' | 'embedded';
export type DeviceChoice = 'cpu' | 'gpu';

export interface BackendOptions {
  readonly backend?: BackendChoice;
  /** Threads of the arithmetic; all cores by default. */
  readonly threads?: number;
  /** `gpu`: evaluation and scoring on the GPU, whose ever it is, through ONNX Runtime; TensorFlow takes NVIDIA's by itself. Default `cpu`. */
  readonly device?: DeviceChoice;
  /** `bfloat16`: faster, rounded matrix products and convolutions on TensorFlow; ONNX Runtime stays with float32. */
  readonly products?: ProductType;
}

function tensorFlow({ threads, products, device }: BackendOptions): Executor {
  const binding = loadTensorFlow({ ...(threads !== undefined && { intraOpThreads: threads }) });
  if (device === 'gpu' && !binding.isUsingGpuDevice())
    throw new UserError(
      "--device gpu: this TensorFlow computes on the processor. Leave --backend tensorflow out, and ONNX Runtime uses the GPU; for NVIDIA's, `espalier runtime install --variant gpu`.",
    );
  return tensorFlowExecutor(binding, { products });
}

async function embedded({ threads, device }: BackendOptions): Promise<Executor> {
  // Loaded when it is used: the library is large.
  const { createOnnxRuntimeExecutor } = await import('./onnxruntime/onnxruntime-executor.ts');
  return createOnnxRuntimeExecutor({ threads, device });
}

/** @throws UserError when TensorFlow is asked for by name and is not installed or does not start */
export async function createExecutor(options: BackendOptions = {}): Promise<Executor> {
  const { backend = 'auto' } = options;
  if (backend === 'tensorflow') return tensorFlow(options);
  if (backend === 'embedded' || !installedRuntime()) return embedded(options);
  if (options.device === 'gpu') return embedded(options);
  try {
    return tensorFlow(options);
  } catch (error) {
    if (error instanceof UserError) return embedded(options);
    throw error;
  }
}
