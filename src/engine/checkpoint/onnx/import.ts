/** An ONNX model as a Graph with weights, so that it can be drawn, pruned, finetuned and exported like any other. */

import { UserError } from '../../../common/errors.ts';
import type { Graph, InputConfig } from '../../graph/graph.ts';
import type { Weights } from '../../graph/tensor.ts';
import { precisionNotes } from '../convert.ts';
import { type BuiltGraph, buildGraph, type DraftOutput, weightsOf } from './build-graph.ts';
import { type Choices, firstThatFits } from './choices.ts';
import type { DraftGraph, DraftId } from './draft.ts';
import { configOf, nameOf, normalisationOf, wholeImageOf } from './file-says.ts';
import { foundPixels, type PixelRange } from './found-pixels.ts';
import { fuseLayers } from './fuse-layers.ts';
import { Importer } from './importer.ts';
import { matchActivations } from './match-activations.ts';
import { matchLayerNorms } from './match-layer-norm.ts';
import { MADE_UP } from './names.ts';
import { type Images, imagesOf } from './onnx-input.ts';
import type { OnnxModel } from './onnx-proto.ts';
import { NO_OPERATION, refuseProcessed, unsupported } from './refusals.ts';
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
  const { importer, input, found } = firstThatFits(
    (choices) => drafted(model, options, images, choices),
    (draft) => isAsDeclared(draft, model, options, images),
  );
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
    input: { ...configOf(model, images, notes), ...wholeImageOf(model, classes) },
    classes,
    ...(logits?.ending && { ending: logits.ending }),
  };
  const ends = {
    input,
    inputName: plainName(images.name),
    outputs: outputs.map((each) => ({ ...each, name: plainName(each.name) })),
  };
  const built = buildGraph(importer.graph, ends, header, options.namesAreExact);
  noteShared(built, notes);
  if (options.namesAreExact) noteComputed(built, notes);
  notes.push(...precisionNotes([...model.initialisers.values()].flatMap(({ dtype }) => dtype ?? [])));
  const graph = withPixels(built, model, options, images, notes);
  return { graph, notes, kept, weights: () => weightsOf(built.tensors) };
}

interface Drafted {
  readonly importer: Importer;
  readonly input: DraftId;
  readonly found: readonly DraftOutput[];
}

/** The file's nodes as a network, with one reading of what is open in it. */
function drafted(model: OnnxModel, { file, namesAreExact }: ImportOptions, images: Images, choices: Choices): Drafted {
  const importer = new Importer(file, model, images.fixedBatch, choices, namesAreExact);
  const origin = { label: `input '${images.name}'`, path: '' };
  const attributes = { shape: [-1, images.channels, images.height, images.width] };
  const input = importer.graph.add({ kind: 'input', attributes, inputs: [], stored: {}, origin });
  // TensorFlow's exports take the channels last.
  const permutation = [0, 2, 3, 1];
  const draft = images.channelsLast
    ? importer.graph.add({ kind: 'transpose', attributes: { permutation }, inputs: [input], stored: {}, origin })
    : input;
  importer.define(images.name, { kind: 'computed', draft });
  importer.run();
  return { importer, input, found: outputsOf(importer, model, file) };
}

/** Whether outputs have the shapes that the file says, for the number of images that it was made for. */
function isAsDeclared(
  { importer: { graph }, found }: Drafted,
  { outputs }: OnnxModel,
  { inputSize }: ImportOptions,
  { fixedBatch }: Images,
): boolean {
  if (fixedBatch === undefined || inputSize !== undefined) return true;
  return found.every(({ name, draft }) => {
    const said = outputs.find((output) => output.name === name)?.shape;
    if (!said?.every((d) => typeof d === 'number' && d > 0) || !graph.hasShape(draft)) return true;
    return String(graph.shape(draft).map((d) => (d < 0 ? -d * fixedBatch : d))) === String(said);
  });
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
  const saysItself = normalisationOf(model) !== undefined;
  if (pixels === 'normalised' || (saysItself && !pixels)) return graph;
  const ask =
    'if that is wrong, say so with --pixels 0..1, 0..255 or normalised; in the editor, the setting espalier.pixels';
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
    if (!kept && !importer.keepsUnknown) throw unsupported(importer, draft);
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

/** Of a state dict: tensors under names of parameters that the module computes something else of. */
function noteComputed({ tensors }: BuiltGraph, notes: string[]): void {
  const computed = [...tensors].flatMap(([name, { isComputed }]) => (isComputed ? [name] : []));
  if (!computed.length) return;
  const some = computed.slice(0, 3).join(', ') + (computed.length > 3 ? ', …' : '');
  notes.push(
    `${computed.length === 1 ? 'one tensor' : `${computed.length} tensors`} (${some}) are not parameters of the module but what it computes of them (standardised or joined weights): files written here hold them as the layers use them. Take a .pt2 back to PyTorch: in a .pth they do not fit the module, which would compute them once more`,
  );
}

/** Values of a `.pt2` have a mark before their names, so that no tensor has the same. */
export const plainName = (name: string): string => (name.startsWith(MADE_UP) ? name.slice(MADE_UP.length) : name);

/** What the file gives that depends on its images. */
function outputsOf(importer: Importer, model: OnnxModel, file: string): readonly DraftOutput[] {
  const found = model.outputs.flatMap(({ name }): DraftOutput[] => {
    const value = importer.find(name);
    if (!value) throw new UserError(`${file}: nothing computes its output '${name}'.`);
    if (value.kind !== 'computed') return [];
    const last = importer.graph.get(value.draft);
    if (last.kind === 'foreign' && !importer.graph.hasShape(value.draft)) throw unsupported(importer, last);
    return [{ name, draft: value.draft }];
  });
  if (found.length) return found;
  throw new UserError(`${file} gives nothing that depends on its images.`);
}

interface Logits extends DraftOutput {
  readonly ending?: Graph['ending'];
}

/**
 * The first output where it is one row an image, before a softmax if the file ends in one: the logits of a classifier. Behind maps or boxes
 * a row is one of several answers.
 */
function takeLogits({ graph }: Importer, outputs: readonly DraftOutput[], notes: string[]): Logits | undefined {
  const [logits] = outputs;
  const [batch, , ...rest] = graph.shape(logits.draft);
  const isRow = batch === -1 && graph.shape(logits.draft).length >= 2 && rest.every((d) => d === 1);
  if (!isRow) return undefined;
  if (outputs.length > 1) notes.push(`of its ${outputs.length} outputs, '${logits.name}' is taken as the logits`);
  const { name } = logits;
  const { draft, ending } = withoutSoftmax(graph, logits.draft, notes);
  if (graph.shape(draft).length === 2) return { name, draft, ending };
  const origin = { label: `output '${name}'`, path: '' };
  const shape = graph.shape(draft).slice(0, 2);
  const flat = graph.add({ kind: 'reshape', attributes: { shape }, inputs: [draft], stored: {}, origin });
  return { name, draft: flat, ending };
}

/** What enters the softmax over the classes, if the file ends in one. */
function withoutSoftmax(graph: DraftGraph, output: DraftId, notes: string[]): Pick<Logits, 'draft' | 'ending'> {
  const draft = graph.get(output);
  const isLog = draft.kind === 'activation' && draft.attributes.function === 'log';
  const last = isLog ? graph.get(graph.inputsOf(output)[0]) : draft;
  const isBoth = last.kind === 'foreign' && last.attributes.operator === 'LogSoftmax';
  const axis =
    last.kind === 'softmax' ? last.attributes.axis : isBoth && !isLog ? last.attributes.numbers?.[0] : undefined;
  if (axis !== 1) return { draft: output };
  const before = isLog ? graph.inputsOf(output)[0] : output;
  notes.push('the file ends in a softmax: what enters it are the logits here; exported files end in it again');
  return { draft: graph.inputsOf(before)[0], ending: isLog || isBoth ? 'logSoftmax' : 'softmax' };
}
