/** Opening ONNX files as models. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { RunContext } from '../../../common/progress.ts';
import { importOnnx } from '../../checkpoint/onnx/import.ts';
import { readOnnx } from '../../checkpoint/onnx/onnx-file.ts';
import type { Weights } from '../../graph/tensor.ts';
import { collectGarbage } from '../collect-garbage.ts';
import { RECORD_KEY, recordFromJson } from '../record.ts';
import type { Model, ModelRequest } from './model-types.ts';
import { finiteWeights, refuseRequest } from './written-network.ts';

/**
 * The model in an ONNX file. Its weights are read again when they are asked for.
 *
 * @throws UserError naming the file and what is wrong: damaged, an operator that cannot be taken over, no classifier
 */
export async function openOnnx(file: string, request: ModelRequest): Promise<Model> {
  refuseRequest(file, 'an ONNX file', request);
  const options = {
    file,
    ...(request.inputSize !== undefined && { inputSize: request.inputSize }),
    ...(request.pixels && { pixels: request.pixels }),
  };
  const model = await readOnnx(file);
  const { graph, notes } = importOnnx(model, options);
  return {
    graph,
    record: {
      ...recordFromJson(model.metadata.get(RECORD_KEY), file),
      onnx: { opset: model.opsets.get('') ?? 0 },
    },
    file: path.resolve(file),
    bytes: (await stat(file)).size,
    notes,
    hasWeights: true,
    weights: async (context) => readWeights(file, options, context),
  };
}

async function readWeights(
  file: string,
  options: Parameters<typeof importOnnx>[1],
  context: RunContext = {},
): Promise<Weights> {
  // The bytes from which it was opened are nobody's any more, and as many as those that come now.
  collectGarbage();
  return finiteWeights(file, importOnnx(await readOnnx(file, context), options).weights());
}
