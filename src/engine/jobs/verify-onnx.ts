/** An exported ONNX model proves itself: ONNX Runtime runs it, and its outputs are compared with those of the network that it was made from. */
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { createExecutor } from '../compute/backends.ts';
import type { Executor } from '../compute/executor.ts';
import { loadOnnxRuntime, type OnnxRuntime } from '../compute/onnxruntime/load-onnxruntime.ts';
import { predictProgram } from '../compute/programs/programs.ts';
import { Random } from '../data/random.ts';
import { type Graph, isClassifier } from '../graph/graph.ts';
import type { Weights } from '../graph/tensor.ts';

export interface Verification {
  /** Largest difference of an output, and the largest output, in absolute value. */
  readonly difference: number;
  readonly largest: number;
  /** What ran the file, and what the network: `ONNX Runtime 1.30`. */
  readonly runtime: string;
  readonly backend: string;
}

/** For the person who saves the file. */
export const verificationText = ({ difference, largest, runtime, backend }: Verification): string =>
  `verified: ${runtime} runs the file; its outputs differ by at most ${difference.toExponential(1)} from those of ${backend} (up to ${largest.toPrecision(3)})`;

/** Of the largest output: float32 arithmetic in another order stays a hundred times below. */
const MOST_RELATIVE_DIFFERENCE = 1e-3;
/** Two images: a file that holds its batch size fast fails. */
const BATCH = 2;
const SEED = 20;

/** Images of noise as large as normalised pixels: [N, H, W, C] as Programs take them, [N, C, H, W] as the file does. */
function sampleImages({ input }: Graph): {
  readonly last: Float32Array<ArrayBuffer>;
  readonly first: Float32Array<ArrayBuffer>;
} {
  const { channels, height, width, mean, std } = input;
  const random = new Random(SEED);
  const pixels = height * width;
  const last = new Float32Array(BATCH * pixels * channels);
  const first = new Float32Array(last.length);
  for (let i = 0; i < BATCH * pixels; i++) {
    const image = Math.floor(i / pixels);
    for (let c = 0; c < channels; c++) {
      const value = Math.fround((random.float() - (mean[c] ?? 0)) / (std[c] ?? 1));
      last[i * channels + c] = value;
      first[(image * channels + c) * pixels + (i % pixels)] = value;
    }
  }
  return { last, first };
}

type Outputs = ReadonlyMap<string, Float32Array>;

/** A model that is to be verified: its bytes, and where the file lies that has its tensors, if they are not in them. */
export interface WrittenModel {
  readonly model: Uint8Array;
  readonly folder?: string;
}

async function outputsOfFile(
  ort: OnnxRuntime['ort'],
  { model, folder }: WrittenModel,
  graph: Graph,
  images: Float32Array,
): Promise<Outputs> {
  const session = await ort.InferenceSession.create(model, {
    logSeverityLevel: 3,
    ...(folder !== undefined && { extra: { session: { model_external_initializers_file_folder_path: folder } } }),
  });
  try {
    const { channels, height, width } = graph.input;
    const tensor = new ort.Tensor('float32', images, [BATCH, channels, height, width]);
    const found = await session.run({ [session.inputNames[0]]: tensor });
    return new Map(graph.outputs.map(({ name }) => [name, found[name].data as Float32Array]));
  } finally {
    await session.release();
  }
}

async function outputsOfNetwork(
  graph: Graph,
  weights: Weights,
  images: Float32Array<ArrayBuffer>,
  executor: Executor,
  context: RunContext,
): Promise<Outputs> {
  const session = await executor.open({ predict: predictProgram(graph) }, context);
  try {
    await session.assign(weights);
    const outputs = await session.run('predict', { images });
    return new Map(graph.outputs.map(({ name }) => [name, outputs[isClassifier(graph) ? 'logits' : name]]));
  } finally {
    await session.dispose();
  }
}

/**
 * @param written what is to be saved
 * @throws UserError where ONNX Runtime refuses the file, an output is no number, or the two differ by more than rounding
 */
export async function verifyOnnx(
  written: WrittenModel,
  graph: Graph,
  weights: Weights,
  context: RunContext = {},
  given?: Executor,
): Promise<Verification> {
  context.progress?.({ phase: 'verify', done: 0, total: 2 });
  const { ort, version } = await loadOnnxRuntime();
  const runtime = `ONNX Runtime ${version}`;
  const { first, last } = sampleImages(graph);
  const found = await outputsOfFile(ort, written, graph, first).catch((error: unknown) => {
    throw new UserError(
      `Nothing was saved: ${runtime} cannot run the exported ${graph.name}: ${error instanceof Error ? error.message : error}`,
    );
  });
  context.progress?.({ phase: 'verify', done: 1, total: 2 });
  const executor = given ?? (await createExecutor());
  const wanted = await outputsOfNetwork(graph, weights, last, executor, context);
  let [difference, largest] = [0, 0];
  for (const [name, values] of wanted) {
    const others = found.get(name) ?? new Float32Array(0);
    if (others.length !== values.length)
      throw new UserError(
        `Nothing was saved: output ${name} has ${others.length} values in the exported file, not ${values.length}.`,
      );
    values.forEach((value, i) => {
      if (!Number.isFinite(value) || !Number.isFinite(others[i]))
        throw new UserError(
          `Nothing was saved: output ${name} is ${value} for a sample image (${others[i]} in the exported file), so that the file cannot be verified.`,
        );
      difference = Math.max(difference, Math.abs(value - others[i]));
      largest = Math.max(largest, Math.abs(value));
    });
  }
  context.progress?.({ phase: 'verify', done: 2, total: 2 });
  if (difference > MOST_RELATIVE_DIFFERENCE * largest)
    throw new UserError(
      `Nothing was saved: ${runtime} computes other outputs from the exported ${graph.name} than ${executor.label} from the network: ` +
        `they differ by ${difference.toPrecision(3)}, and are up to ${largest.toPrecision(3)}. Please report it.`,
    );
  return { difference, largest, runtime, backend: executor.label };
}
