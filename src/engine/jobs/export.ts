/** Writing a model in the formats that others read. */
import path from 'node:path';
import type { RunContext } from '../../common/progress.ts';
import { writeSafetensors } from '../checkpoint/safetensors/safetensors-write.ts';
import { writePth } from '../checkpoint/torch/torch-write.ts';
import { onnxModel } from '../export/onnx.ts';
import { pytorchSource } from '../export/pytorch.ts';
import { makeFolderOf, writeFileAtomically } from '../files/atomic-write.ts';
import { type Model, modelMetadata } from './model.ts';

export const EXPORT_FORMATS = ['safetensors', 'pth', 'onnx', 'pytorch'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

type Exporter = (model: Model, output: string, context: RunContext) => Promise<readonly string[]>;

/** The same place with another suffix: the weights beside a Python file. */
const besides = (file: string, suffix: string): string =>
  file.slice(0, file.length - path.extname(file).length) + suffix;

const exporters: { readonly [K in ExportFormat]: Exporter } = {
  safetensors: async (model, output, context) => {
    await writeSafetensors(output, await model.weights(context), modelMetadata(model.graph, model.record), context);
    return [output];
  },
  pth: async (model, output, context) => {
    await writePth(output, await model.weights(context), modelMetadata(model.graph, model.record), context);
    return [output];
  },
  onnx: async (model, output, context) => {
    await writeFileAtomically(output, onnxModel(model.graph, await model.weights(context)));
    return [output];
  },
  pytorch: async (model, output, context) => {
    const weights = besides(output, '.pth');
    await writePth(weights, await model.weights(context), modelMetadata(model.graph, model.record), context);
    await writeFileAtomically(output, pytorchSource(model.graph, path.basename(weights)));
    return [output, weights];
  },
};

/**
 * Exports a model, into a folder that is made where it is missing. `pytorch` writes OUTPUT.py and the weights beside it as OUTPUT.pth.
 *
 * @returns the files written
 */
export async function exportModel(
  model: Model,
  format: ExportFormat,
  output: string,
  context: RunContext = {},
): Promise<readonly string[]> {
  await makeFolderOf(output);
  return exporters[format](model, path.resolve(output), context);
}
