/** Writing a model in the formats that others read. */
import path from 'node:path';
import type { RunContext } from '../../common/progress.ts';
import { writeSafetensors } from '../checkpoint/safetensors/safetensors-write.ts';
import { writePth, writeTorchFile } from '../checkpoint/torch/torch-write.ts';
import { withEnding } from '../export/ending.ts';
import { pickledModule } from '../export/module.ts';
import { writePt2 } from '../export/pt2.ts';
import { pytorchSource } from '../export/pytorch.ts';
import { makeFolderOf, writeFileAtomically } from '../files/atomic-write.ts';
import { type Model, modelMetadata } from './opening/model.ts';
import { RECORD_KEY } from './record.ts';
import { type OnnxOptions, saveOnnx } from './save-onnx.ts';
import type { Verification } from './verify-onnx.ts';

export const EXPORT_FORMATS = ['safetensors', 'pth', 'module', 'pt2', 'onnx', 'pytorch'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface Exported {
  readonly files: readonly string[];
  /** Of an ONNX file that was run before it was saved. */
  readonly verification?: Verification;
  /** What the person should know. */
  readonly notes?: readonly string[];
}

type Exporter = (model: Model, output: string, options: OnnxOptions, context: RunContext) => Promise<Exported>;

/** The same place with another suffix: the weights beside a Python file. */
const besides = (file: string, suffix: string): string =>
  file.slice(0, file.length - path.extname(file).length) + suffix;

const exporters: { readonly [K in ExportFormat]: Exporter } = {
  safetensors: async (model, output, _, context) => {
    await writeSafetensors(output, await model.weights(context), modelMetadata(model.graph, model.record), context);
    return { files: [output] };
  },
  pth: async (model, output, _, context) => {
    await writePth(output, await model.weights(context), modelMetadata(model.graph, model.record), context);
    return { files: [output] };
  },
  module: async ({ graph, record, ...model }, output, _, context) => {
    const { module, ...history } = record;
    const removals = record.history
      .slice(module?.steps)
      .flatMap(({ kept }) => (kept?.blocks ? [kept.blocks.removed] : []));
    const weights = await model.weights(context);
    const { pickle, storages, sameNames, notes } = pickledModule(
      graph,
      weights,
      module && { template: module, removals },
    );
    // Under another library's names the file is recognised by its classes, as any pickled module is.
    const metadata = sameNames ? modelMetadata(graph, history) : { [RECORD_KEY]: JSON.stringify(history) };
    await writeTorchFile(output, pickle, storages, metadata, context);
    return { files: [output], notes };
  },
  pt2: async (model, output, _, context) => {
    const metadata = modelMetadata(model.graph, model.record);
    await writePt2(output, withEnding(model.graph), await model.weights(context), metadata, context);
    return { files: [output] };
  },
  onnx: async (model, output, options, context) =>
    saveOnnx(output, { ...model, weights: await model.weights(context) }, options, context),
  pytorch: async (model, output, _, context) => {
    const weights = besides(output, '.pth');
    await writePth(weights, await model.weights(context), modelMetadata(model.graph, model.record), context);
    await writeFileAtomically(output, pytorchSource(withEnding(model.graph), path.basename(weights)));
    return { files: [output, weights] };
  },
};

/**
 * Exports a model, into a folder that is made where it is missing. `pytorch` writes OUTPUT.py and the weights beside it as OUTPUT.pth;
 * `module` a whole pickled module, whose classes `torch.load(weights_only=False)` imports.
 *
 * @returns the files written
 * @throws UserError where an ONNX file does not compute what the network does: nothing is saved then
 */
export async function exportModel(
  model: Model,
  format: ExportFormat,
  output: string,
  context: RunContext = {},
  options: OnnxOptions = {},
): Promise<Exported> {
  await makeFolderOf(output);
  return exporters[format](model, path.resolve(output), options, context);
}
