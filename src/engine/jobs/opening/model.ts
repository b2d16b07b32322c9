/** Opening and saving models: a checkpoint file or a zoo name becomes a Graph with weights that are read when asked for. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import { findVariant } from '../../architectures/registry.ts';
import { resizedForGraph } from '../../architectures/resize-embeddings.ts';
import { suggestNames } from '../../architectures/suggest.ts';
import { IMAGENET_MEAN, IMAGENET_STD, type Variant } from '../../architectures/variant.ts';
import type { OpenCheckpoint } from '../../checkpoint/checkpoint.ts';
import { isFloat } from '../../checkpoint/convert.ts';
import { NORMALISATIONS } from '../../checkpoint/onnx/import.ts';
import { isOnnx } from '../../checkpoint/onnx/onnx-file.ts';
import { isPt2 } from '../../checkpoint/pt2/pt2-file.ts';
import { writeSafetensors } from '../../checkpoint/safetensors/safetensors-write.ts';
import { isFolder } from '../../checkpoint/shards.ts';
import { writePth } from '../../checkpoint/torch/torch-write.ts';
import { withEnding } from '../../export/ending.ts';
import { writePt2 } from '../../export/pt2.ts';
import { makeFolderOf } from '../../files/atomic-write.ts';
import { type Graph, parametersByName } from '../../graph/graph.ts';
import { graphToJson } from '../../graph/serialize.ts';
import type { Tensor, Weights } from '../../graph/tensor.ts';
import { compareWeights } from '../../graph/validate.ts';
import { EMPTY_RECORD, GRAPH_KEY, type ModelRecord, RECORD_KEY, recordFromJson } from '../record.ts';
import { saveOnnx } from '../save-onnx.ts';
import type { Verification } from '../verify-onnx.ts';
import { openFitting } from './fitting-checkpoint.ts';
import { buildOptions, isRunState } from './model-graph.ts';
import type { Model, ModelRequest } from './model-types.ts';
import { openOnnx } from './open-onnx.ts';
import { openPt2 } from './open-pt2.ts';
import { findPretrained, pretrainedAdvice } from './pretrained.ts';
import { checkWindowTables, isWindowTable } from './window-tables.ts';

export { AmbiguousHeadsError } from './model-graph.ts';
export type { Model, ModelRequest } from './model-types.ts';

const CHECKPOINT_SUFFIX = /\.(pth|pt|th|bin|safetensors|ckpt|onnx|pt2)$/i;

async function isFile(place: string): Promise<boolean> {
  return (await stat(place).catch(() => undefined))?.isFile() ?? false;
}

/**
 * Opens a model by name or file.
 *
 * @throws UserError naming the file and what is wrong: unreadable, no known architecture, weights that do not fit
 */
export async function openModel(request: ModelRequest): Promise<Model> {
  const { classes } = request;
  if (classes !== undefined && classes < 1) throw new UserError(`--num-classes needs at least 1, got ${classes}.`);
  const model = await openAny(request);
  checkClasses(model, request);
  return withImagesAsAsked(withPixels(model, request), request);
}

function checkClasses({ graph, hasWeights }: Model, { classes, model, ckpt }: ModelRequest): void {
  if (classes !== undefined && hasWeights && graph.classes !== classes)
    throw new UserError(
      `${ckpt ?? model} has ${graph.classes} classes, not ${classes}: --num-classes is for a model that is given by name and begins with random weights. Leave it out.`,
    );
}

/** The model with what the request says of how whole images enter it. */
function withImagesAsAsked(model: Model, { fit, bgr }: ModelRequest): Model {
  if (!fit && !bgr) return model;
  const { fit: own, order, ...rest } = model.graph.input;
  const chosen = fit === 'crop' ? undefined : (fit ?? own);
  const input = { ...rest, ...(chosen && { fit: chosen }), ...((bgr || order) && { order: 'bgr' as const }) };
  return { ...model, graph: { ...model.graph, input } };
}

function withPixels(model: Model, { pixels }: ModelRequest): Model {
  if (!pixels) return model;
  const { mean } = model.graph.input;
  // A file that was saved for raw pixels.
  const isRaw = mean.every((value) => value === 0);
  if (pixels === 'normalised' && !isRaw) return model;
  const usual = { mean: IMAGENET_MEAN, std: IMAGENET_STD };
  const input = { ...model.graph.input, ...(pixels === 'normalised' ? usual : NORMALISATIONS[pixels]) };
  return { ...model, graph: { ...model.graph, input } };
}

async function openAny(request: ModelRequest): Promise<Model> {
  const { model, ckpt } = request;
  if (CHECKPOINT_SUFFIX.test(model) || (await isFile(model))) {
    if (ckpt) throw new UserError(`--model ${model} is a file already: give its name with --ckpt, or the file alone.`);
    if (await isOnnx(model)) return openOnnx(model, request);
    if (await isPt2(model)) return openPt2(model, request);
    return fromFile(model, request);
  }
  const variant = findVariant(model);
  if (!variant && !ckpt && (await isFolder(model))) return fromFile(model, request);
  if (!variant) {
    const near = suggestNames(model);
    const hint = near.length ? `did you mean ${near.join(' or ')}? ` : '';
    throw new UserError(`${model} is neither a file nor a known model: ${hint}\`espalier models\` lists the names.`);
  }
  if (ckpt) return fromFile(ckpt, request, variant);
  const published = await publishedWeights(request);
  if (!published) return fromZoo(variant, request);
  const found = await fromFile(published, request, variant);
  return { ...found, notes: [`weights from ${published}`, ...found.notes] };
}

/** Those of ImageNet's classes say nothing of others. */
const publishedWeights = async ({ model, pretrained, classes }: ModelRequest): Promise<string | undefined> =>
  pretrained && classes === undefined
    ? findPretrained(model, { torchvision: pretrained === 'torchvision' })
    : undefined;

function fromZoo(variant: Variant, request: ModelRequest): Model {
  const graph = variant.build(buildOptions(request));
  return {
    graph,
    record: EMPTY_RECORD,
    bytes: 0,
    notes: [],
    hasWeights: false,
    weights: async () => {
      const advice = request.pretrained ? pretrainedAdvice(request.model) : '';
      throw new UserError(`${graph.name} has no weights: give a checkpoint with --ckpt, or open a file.${advice}`);
    },
  };
}

/** Buffers that are computed when a network is built, and counters of profilers. */
const isComputed = (name: string): boolean =>
  /(relative_position_index|attn_mask|total_ops|total_params|anchor_grid)$/.test(name);
/** Parameters with one entry a position are resized when the image has another size. */
const isResizable = (name: string, from: readonly number[], to: readonly number[]): boolean =>
  /(pos_embed|relative_position_bias_table)$/.test(name) && from.at(-1) === to.at(-1);

function checkFit(file: string, graph: Graph, checkpoint: OpenCheckpoint): void {
  const wanted = parametersByName(graph);
  const fitted = [...checkpoint.tensors].map(([name, { dtype, shape }]): [string, Tensor] => {
    const target = wanted.get(name)?.shape ?? shape;
    return [name, { dtype, shape: isResizable(name, shape, target) ? target : shape, data: new Float32Array(0) }];
  });
  const { missing, unexpected, mismatched } = compareWeights(graph, new Map(fitted));
  const extra = unexpected.filter((name) => !isRunState(name) && !isComputed(name));
  const say = (what: string, names: readonly string[]): string[] =>
    names.length
      ? [`${what}: ${names.slice(0, 4).join(', ')}${names.length > 4 ? ` and ${names.length - 4} more` : ''}`]
      : [];
  const problems = [
    ...say('missing', missing),
    ...say('other shapes', mismatched),
    ...say('not in the network', extra),
  ];
  const integer = graph.parameters.find(({ name, dtype }) => {
    const found = checkpoint.tensors.get(name);
    return dtype === 'float32' && found && !isFloat(found.dtype);
  });
  if (integer)
    throw new UserError(
      `${file}: tensor ${integer.name} holds ${checkpoint.tensors.get(integer.name)?.dtype} numbers where ${graph.name} has floating-point weights: it is quantised, and its scales are not in the file. Save the weights as floats.`,
    );
  if (problems.length) throw new UserError(`${file} does not fit ${graph.name}: ${problems.join('; ')}.`);
}

async function fromFile(file: string, request: ModelRequest, variant?: Variant): Promise<Model> {
  const options = { float32: true, ...(request.useEma && { useEma: true }) };
  const { checkpoint, graph, notes, reopen } = await openFitting(file, options, request, variant);
  try {
    checkFit(file, graph, checkpoint);
    const names = graph.parameters.map((p) => p.name).filter((name) => checkpoint.tensors.has(name));
    const record = recordFromJson(checkpoint.metadata[RECORD_KEY], file);
    const template = await checkpoint.template?.(new Set(names));
    return {
      graph,
      record: template ? { ...record, module: { ...template, steps: record.history.length } } : record,
      file: path.resolve(checkpoint.path),
      bytes: (await stat(checkpoint.path)).size,
      notes: [...sourceNotes(checkpoint), ...notes],
      hasWeights: true,
      weights: (context) => readWeights(file, reopen, graph, names, context),
    };
  } finally {
    await checkpoint.close();
  }
}

/** Which of the tensors in the file were taken, and under which names. */
const sourceNotes = ({ sources, whoseNames, hasAverage, notes = [] }: OpenCheckpoint): string[] => [
  ...notes,
  ...(sources.length ? [`weights from ${sources.join(' › ')}`] : []),
  ...(hasAverage ? ['it holds a moving average of the weights too (--use-ema)'] : []),
  ...(whoseNames
    ? [`the tensors have ${whoseNames} names in the file; here, and where it is saved, they have timm's`]
    : []),
];

/** Whatever is computed from such weights is no number either. Throws UserError naming the tensor. */
function checkFinite(file: string, name: string, { dtype, data }: Tensor): void {
  if (dtype === 'int64') return;
  const values = data as Float32Array;
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return;
  const count = values.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0);
  throw new UserError(
    `${file}: tensor ${name} holds ${values[wrong]}, ${count} of its ${values.length} values are no numbers: the file is damaged, or its training diverged.`,
  );
}

async function readWeights(
  file: string,
  reopen: () => Promise<OpenCheckpoint>,
  graph: Graph,
  names: readonly string[],
  context: RunContext = {},
): Promise<Weights> {
  const checkpoint = await reopen();
  try {
    const tables = [...checkpoint.tensors.keys()].filter(isWindowTable);
    checkWindowTables(file, graph, await checkpoint.readAll(tables));
    const read = await checkpoint.readAll(names, context);
    const counter = (shape: readonly number[]): Tensor => ({ dtype: 'int64', shape, data: BigInt64Array.of(0n) });
    return new Map(
      graph.parameters.map(({ name, shape }) => {
        const tensor = read.get(name) ?? counter(shape);
        checkFinite(file, name, tensor);
        return [name, resizedForGraph(name, tensor, shape) ?? tensor];
      }),
    );
  } finally {
    await checkpoint.close();
  }
}

const writers = { safetensors: writeSafetensors, pth: writePth } as const;
type ModelFormat = keyof typeof writers | 'onnx' | 'pt2';

/** Format that a file name asks for. */
function formatOf(file: string): ModelFormat {
  const suffix = path.extname(file).slice(1).toLowerCase();
  if (suffix === 'safetensors') return 'safetensors';
  if (suffix === 'pth' || suffix === 'pt') return 'pth';
  if (suffix === 'onnx' || suffix === 'pt2') return suffix;
  throw new UserError(`cannot save as ${file}: name it .safetensors, .pth, .pt2 or .onnx`);
}

/**
 * Makes the folder that a file is to be written into, as the paper's script does.
 * @throws UserError where that cannot be, or the file's name asks for no format: before the work whose result it is to hold
 */
export async function prepareOutput(file: string): Promise<void> {
  formatOf(file);
  await makeFolderOf(file);
}

/** Text that makes a file open again with no other argument. */
export const modelMetadata = (graph: Graph, record: ModelRecord): Readonly<Record<string, string>> => ({
  format: 'pt',
  [GRAPH_KEY]: graphToJson(graph),
  [RECORD_KEY]: JSON.stringify(record),
});

/**
 * Writes a model atomically, in the format that the file's name asks for. An ONNX file is run first.
 * @returns what came of that
 * @throws UserError where the file does not compute what the network does: nothing is saved then
 */
export async function saveModel(
  file: string,
  graph: Graph,
  weights: Weights,
  record: ModelRecord,
  context: RunContext = {},
): Promise<Verification | undefined> {
  await prepareOutput(file);
  const format = formatOf(file);
  // Its operators say what the Graph is.
  if (format === 'onnx') return (await saveOnnx(file, { graph, weights, record }, {}, context)).verification;
  if (format === 'pt2') await writePt2(file, withEnding(graph), weights, modelMetadata(graph, record), context);
  else await writers[format](file, weights, modelMetadata(graph, record), context);
  return undefined;
}
