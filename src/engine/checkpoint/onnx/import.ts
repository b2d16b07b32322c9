/** An ONNX model as a Graph with weights, so that it can be drawn, pruned, finetuned and exported like any other. */

import { UserError } from '../../../common/errors.ts';
import type { Graph, InputConfig } from '../../graph/graph.ts';
import type { Weights } from '../../graph/tensor.ts';
import { type BuiltGraph, buildGraph, type DraftOutput, weightsOf } from './build-graph.ts';
import type { DraftGraph, DraftId } from './draft.ts';
import { configOf, nameOf, wholeImageOf } from './file-says.ts';
import { foundPixels, type PixelRange } from './found-pixels.ts';
import { fuseLayers } from './fuse-layers.ts';
import { Importer, NO_OPERATION } from './importer.ts';
import { matchActivations } from './match-activations.ts';
import { matchLayerNorms } from './match-layer-norm.ts';
import type { OnnxModel, OnnxValue } from './onnx-proto.ts';
import { refuseProcessed } from './refusals.ts';
import { tidyLayout } from './tidy-layout.ts';
import { writeOut } from './write-out.ts';

/** Pixels that enter a network: raw from 0 to 1 or 255, or normalised by mean and standard deviation. */
export type Pixels = PixelRange | 'normalised';

export interface ImportOptions {
  /** The file's name, for messages, and for a model that has none. */
  readonly file: string;
  /** Side of the images, for a file that leaves it open; another one than it says where its operators allow it. */
  readonly inputSize?: number;
  /** What the person says of the pixels: what the file's first operations say does not count then. */
  readonly pixels?: Pixels;
  /** Tensors have the names of a state dict: layers that share one go on sharing it. */
  readonly namesAreExact?: boolean;
  /** `onnx` by default. */
  readonly family?: string;
}

/** An operation that could not be taken over, with the module that calls it. */
export interface KeptOperation {
  readonly operation: string;
  readonly module: string;
  readonly reason: string;
}

export interface ImportedModel {
  /** Family `onnx`; input [N, C, H, W]; the output [N, classes] of a classifier, else all that the file gives. */
  readonly graph: Graph;
  /** What the person should know: assumptions, what was left out. */
  readonly notes: readonly string[];
  /** Operations that stay as they are because nothing is known of them: of formats that say enough of them. */
  readonly kept: readonly KeptOperation[];
  /** The Graph's weights as float32, read from the file's bytes when asked for. */
  weights(): Weights;
}

/** Operators broadcast as they do now from this version on (2017). */
const OLDEST_OPSET = 7;
const USUAL_SIDE = 224;
const MOST_PIXELS = 1 << 28;

/**
 * Imports a network with one input of images.
 *
 * @throws UserError naming the file, the node and its operator where something cannot be taken over
 */
export function importOnnx(model: OnnxModel, options: ImportOptions): ImportedModel {
  const { file } = options;
  const opset = model.opsets.get('') ?? 1;
  if (opset < OLDEST_OPSET)
    throw new UserError(
      `${file} uses operator set ${opset}; Espalier reads ${OLDEST_OPSET} and later: export it again.`,
    );
  refuseProcessed(model, file);
  const notes: string[] = [];
  const images = imagesOf(model, options, notes);
  const importer = new Importer(file, model, images.fixedBatch, options.namesAreExact);
  const input = importer.graph.add({
    kind: 'input',
    attributes: { shape: [-1, images.channels, images.height, images.width] },
    inputs: [],
    stored: {},
    origin: { label: `input '${images.name}'`, path: '' },
  });
  // TensorFlow's exports take the channels last.
  const origin = { label: `input '${images.name}'`, path: '' };
  const permutation = [0, 2, 3, 1];
  const draft = images.channelsLast
    ? importer.graph.add({ kind: 'transpose', attributes: { permutation }, inputs: [input], stored: {}, origin })
    : input;
  importer.define(images.name, { kind: 'computed', draft });
  importer.run();
  const found = outputsOf(importer, model, file);
  // An exported program goes back with all that it gives.
  const logits = options.namesAreExact && found.length > 1 ? undefined : takeLogits(importer, found, notes);
  const outputs = logits ? [logits] : found;
  const drafts = outputs.map(({ draft: output }) => output);
  recognise(importer.graph, drafts);
  const kept = refuseForeign(importer, drafts);
  const classes = logits ? importer.graph.shape(logits.draft)[1] : 0;
  const header = {
    name: nameOf(model, file),
    family: options.family ?? 'onnx',
    input: { ...configOf(model, images), ...wholeImageOf(model, classes) },
    classes,
  };
  const ends = {
    input,
    inputName: plainName(images.name),
    outputs: outputs.map((each) => ({ ...each, name: plainName(each.name) })),
  };
  const built = buildGraph(importer.graph, ends, header, options.namesAreExact);
  noteShared(built, notes);
  const graph = withPixels(built, model, options, images, notes);
  return { graph, notes, kept, weights: () => weightsOf(built.tensors) };
}

/** Mean and standard deviation that leave pixels in a range. */
export const NORMALISATIONS: { readonly [K in PixelRange]: Pick<InputConfig, 'mean' | 'std'> } = {
  '0..1': { mean: [0, 0, 0], std: [1, 1, 1] },
  '0..255': { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
};

/** The pixels that the file wants: as the person or its metadata says, else as its input's type or its first operations do. */
function withPixels(
  { graph, tensors }: BuiltGraph,
  model: OnnxModel,
  { pixels }: ImportOptions,
  images: Images,
  notes: string[],
): Graph {
  const saysItself = model.metadata.has('mean') && model.metadata.has('std');
  if (pixels === 'normalised' || (saysItself && !pixels)) return graph;
  const ask = 'if that is wrong, say so with --pixels 0..1, 0..255 or normalised';
  const take = (range: PixelRange, why: string): Graph => {
    if (why) notes.push(`${why}: it is given pixels from ${range.replace('..', ' to ')}, not normalised; ${ask}`);
    return { ...graph, input: { ...graph.input, ...NORMALISATIONS[range] } };
  };
  if (pixels) return take(pixels, '');
  if (images.isInteger) return take('0..255', 'the file takes whole numbers');
  const found = foundPixels(graph, (name) => tensors.get(name)?.read());
  if (found?.range) return take(found.range, `the file normalises images itself (${found.operations.join(', ')})`);
  if (!saysItself) notes.push('the file does not say how images are normalised: ImageNet mean and std are taken');
  if (found) notes.push(`the file changes its pixels before the first layer (${found.operations.join(', ')}); ${ask}`);
  return graph;
}

/** Operations in the place of what exporters write them out as. */
function recognise(graph: DraftGraph, outputs: readonly DraftId[]): void {
  matchActivations(graph, outputs);
  matchLayerNorms(graph, outputs);
  tidyLayout(graph, outputs);
  fuseLayers(graph, outputs);
  writeOut(graph, outputs);
  tidyLayout(graph, outputs);
}

/** Operations that stand for themselves in the Graph; those that no reader announced are given back. */
function refuseForeign(importer: Importer, outputs: readonly DraftId[]): readonly KeptOperation[] {
  const unknown: KeptOperation[] = [];
  for (const id of importer.graph.live(outputs).order) {
    const draft = importer.graph.get(id);
    if (draft.kind !== 'foreign') continue;
    const { operator, kept, call } = draft.attributes;
    if (!kept && !importer.keepsUnknown) throw importer.unsupported(draft);
    const reason = kept ?? NO_OPERATION;
    if (!kept) unknown.push({ operation: operator, module: draft.origin.path, reason });
    const attributes = { operator, reason, shape: importer.graph.shape(id), ...(call !== undefined && { call }) };
    importer.graph.replace(id, { ...draft, kind: 'opaque', attributes });
  }
  return unknown;
}

function noteShared({ shared }: BuiltGraph, notes: string[]): void {
  if (shared.length)
    notes.push(
      `${shared.length === 1 ? 'a tensor' : `${shared.length} tensors`} of the file (${shared.slice(0, 3).join(', ')}${shared.length > 3 ? ', …' : ''}) serve several layers: each layer has a copy now`,
    );
}

/** Values of a `.pt2` have a mark before their names, so that no tensor has the same. */
const plainName = (name: string): string => name.replace(/^%/, '');

interface Images {
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly channelsLast: boolean;
  /** Its pixels are whole numbers: from 0 to 255. */
  readonly isInteger: boolean;
  /** The number of images that the file was made for, where it is a fixed one. */
  readonly fixedBatch: number | undefined;
}

const describe = (value: OnnxValue): string =>
  `'${value.name}' [${value.shape?.map((d) => d || '?').join(', ') ?? '?'}]`;

/** Types of TensorProto.DataType that images come in: floats, and whole numbers that hold 0 to 255. */
const FLOATS: readonly number[] = [1, 10, 11, 16];
const WHOLE_NUMBERS: readonly number[] = [2, 4, 5, 6, 7, 12, 13];

/** Throws UserError where the input's numbers cannot be pixels. */
function isWholeNumbers(input: OnnxValue, file: string): boolean {
  const { elementType = FLOATS[0] } = input;
  if (FLOATS.includes(elementType)) return false;
  if (WHOLE_NUMBERS.includes(elementType)) return true;
  throw new UserError(
    `${file}: the input ${describe(input)} has element type ${elementType} of ONNX; images are floating-point numbers or whole ones from 0 to 255.`,
  );
}

/** The one input that holds images. */
function imagesOf(model: OnnxModel, { file, inputSize }: ImportOptions, notes: string[]): Images {
  const inputs = model.inputs.filter(({ name }) => !model.initialisers.has(name));
  const [input, ...others] = inputs.filter(({ shape }) => shape?.length === 4);
  if (!input?.shape || others.length || inputs.length > 1)
    throw new UserError(
      `${file} takes ${inputs.map(describe).join(' and ') || 'nothing'}: Espalier needs one input of images [N, C, H, W].`,
    );
  const [batch, a, b, c] = input.shape;
  const isChannels = (d: number | string): boolean => d === 1 || d === 3 || d === 4;
  const channelsLast = isChannels(c) && !isChannels(a);
  const channels = channelsLast ? c : a;
  const [height, width] = channelsLast ? [a, b] : [b, c];
  if (typeof channels !== 'number' || channels < 1)
    throw new UserError(`${file}: the input ${describe(input)} does not say how many channels its images have.`);
  const side = (size: number | string): number =>
    inputSize ?? (typeof size === 'number' && size > 0 ? size : USUAL_SIDE);
  if (side(height) * side(width) > MOST_PIXELS)
    throw new UserError(`${file} takes images of ${side(height)} × ${side(width)} pixels, which no network does.`);
  if (inputSize === undefined && [height, width].some((d) => typeof d !== 'number'))
    notes.push(`the file leaves the size of images open: ${USUAL_SIDE} × ${USUAL_SIDE} is taken`);
  if (channels !== 3) notes.push(`its images have ${channels} channels: evaluation and finetuning need three`);
  if (channelsLast) notes.push('its images have their channels last; here they come first');
  const isInteger = isWholeNumbers(input, file);
  const fixedBatch = typeof batch === 'number' && batch > 0 ? batch : undefined;
  return { name: input.name, channels, height: side(height), width: side(width), channelsLast, isInteger, fixedBatch };
}

/** What the file gives that depends on its images. */
function outputsOf(importer: Importer, model: OnnxModel, file: string): readonly DraftOutput[] {
  const found = model.outputs.flatMap(({ name }): DraftOutput[] => {
    const value = importer.find(name);
    if (!value) throw new UserError(`${file}: nothing computes its output '${name}'.`);
    if (value.kind !== 'computed') return [];
    const last = importer.graph.get(value.draft);
    if (last.kind === 'foreign' && !importer.graph.hasShape(value.draft)) throw importer.unsupported(last);
    return [{ name, draft: value.draft }];
  });
  if (found.length) return found;
  throw new UserError(`${file} gives nothing that depends on its images.`);
}

/** The first output with one row an image, before a softmax if the file ends in one: the logits of a classifier. */
function takeLogits({ graph }: Importer, outputs: readonly DraftOutput[], notes: string[]): DraftOutput | undefined {
  const logits = outputs.find(({ draft }) => {
    const [batch, , ...rest] = graph.shape(draft);
    return batch === -1 && graph.shape(draft).length >= 2 && rest.every((d) => d === 1);
  });
  if (!logits) return undefined;
  if (outputs.length > 1) notes.push(`of its ${outputs.length} outputs, '${logits.name}' is taken as the logits`);
  const { name } = logits;
  const draft = withoutSoftmax(graph, logits.draft, notes);
  if (graph.shape(draft).length === 2) return { name, draft };
  const origin = { label: `output '${name}'`, path: '' };
  const shape = graph.shape(draft).slice(0, 2);
  return { name, draft: graph.add({ kind: 'reshape', attributes: { shape }, inputs: [draft], stored: {}, origin }) };
}

function withoutSoftmax(graph: DraftGraph, output: DraftId, notes: string[]): DraftId {
  const draft = graph.get(output);
  const isSoftmax =
    draft.kind === 'softmax' || (draft.kind === 'foreign' && draft.attributes.operator === 'LogSoftmax');
  if (!isSoftmax) return output;
  notes.push('the file ends in a softmax: what enters it are the logits here');
  return graph.inputsOf(output)[0];
}
