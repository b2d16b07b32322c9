/** Logits of imported models, by the test interpreter. */
import type { ImportedModel } from '../../../../src/engine/checkpoint/onnx/import.ts';
import { predictProgram } from '../../../../src/engine/compute/programs/programs.ts';
import { toFloat32 } from '../../../../src/engine/graph/tensor.ts';
import { interpret, values } from '../../../support/interpreter.ts';
import { channelsLast } from '../../../support/logits.ts';

/** Of an image [1, C, H, W] as the second of two, so that nothing may depend on there being one. */
export function batchedLogits({ graph, weights }: ImportedModel, pixels: Float32Array): number[] {
  const { channels, height, width } = graph.input;
  const image = channelsLast(graph, pixels);
  const batch = new Float32Array(2 * image.length);
  batch.set(image.map((v) => 0.5 * v));
  batch.set(image, image.length);
  const states = new Map([...weights()].map(([name, t]) => [name, values(t.shape, toFloat32(t))]));
  const { outputs } = interpret(predictProgram(graph), { images: values([2, height, width, channels], batch) }, states);
  return Array.from(outputs['logits'].data.slice(graph.classes));
}
