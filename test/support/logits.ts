/** Logits of a Graph for the deterministic image: by TensorFlow where it is installed, else by the test interpreter. */

import type { Executor } from '../../src/engine/compute/executor.ts';
import { predictProgram } from '../../src/engine/compute/programs/programs.ts';
import { installedRuntime, loadTensorFlow } from '../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { toFloat32, type Weights } from '../../src/engine/graph/tensor.ts';
import { image } from './detfill.ts';
import { interpret, type Values, values } from './interpreter.ts';

export const hasTensorFlow = Boolean(installedRuntime());
/** Pass to `test` as its `skip`. */
export const noTensorFlow = !hasTensorFlow && 'the TensorFlow runtime is not installed';

/** The deterministic image of a Graph's size, as PyTorch takes it: [1, 3, H, W]. */
export const imageOf = ({ input: { channels, height, width } }: Graph): Float32Array =>
  image([1, channels, height, width]).data;

/** The same image as a Program takes it: [1, H, W, 3]. */
export function channelsLast({ input: { channels, height, width } }: Graph, data: Float32Array): Float32Array {
  const area = height * width;
  const last = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) last[i * channels + c] = data[c * area + i];
  return last;
}

/** Logits [classes] of a Graph for the deterministic image, by one backend. */
export async function logitsBy(executor: Executor, graph: Graph, weights: Weights): Promise<Float32Array> {
  const session = await executor.open({ predict: predictProgram(graph) });
  try {
    await session.assign(weights);
    return (await session.run('predict', { images: channelsLast(graph, imageOf(graph)) })).logits;
  } finally {
    await session.dispose();
  }
}

export function byInterpreter(graph: Graph, weights: Weights, images: Float32Array): Float32Array {
  const { channels, height, width } = graph.input;
  const states = [...weights].map(([name, tensor]): [string, Values] => [
    name,
    values(tensor.shape, toFloat32(tensor)),
  ]);
  const input = values([1, height, width, channels], images);
  const { outputs } = interpret(predictProgram(graph), { images: input }, new Map(states));
  return Float32Array.from(outputs['logits'].data);
}

/** Logits [classes] of a Graph for the deterministic image. The interpreter takes seconds for images beyond 32 × 32. */
export async function logitsOf(graph: Graph, weights: Weights): Promise<Float32Array> {
  if (hasTensorFlow) return logitsBy(tensorFlowExecutor(loadTensorFlow()), graph, weights);
  return byInterpreter(graph, weights, channelsLast(graph, imageOf(graph)));
}

/** The largest difference, as a share of the largest logit expected; infinite where there are not as many. */
export function relativeDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let [difference, scale] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Number.isNaN(found[i]) ? Infinity : Math.abs(found[i] - expected[i]));
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return difference / scale;
}
