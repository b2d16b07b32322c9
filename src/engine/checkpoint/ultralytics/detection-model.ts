/**
 * Whole pickled detectors of YOLOv5, v8 and 11 (`Model`, `DetectionModel`): the Graph rebuilt from the records of their layers, of which
 * each says where its inputs come from (`f`, and its own number `i`). Nothing is executed.
 */
import { UserError } from '../../../common/errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { Graph, ValueId } from '../../graph/graph.ts';
import { refuseAttribute, refuseLayer, shortClass } from '../modules/layer-record.ts';
import type { ModuleRecord } from '../torch/module-record.ts';
import { block } from './detector-blocks.ts';
import { detectorHead } from './detector-heads.ts';
import type { Build } from './detector-layers.ts';

const DETECTORS = /^(ultralytics\.nn\.tasks\.\w+Model|models\.yolo\.\w*Model)$/;

/** Whether a pickled module is one of Ultralytics' networks, whatever its task. */
export const isUltralytics = ({ className, children }: ModuleRecord): boolean =>
  DETECTORS.test(className) && children.has('model');

/** What they are trained with, where nothing is said. */
const USUAL_SIDE = 640;

export interface DetectorOptions {
  /** The file, for messages and for the network's name. */
  readonly file: string;
  /** Shape of every tensor of the state dict, by name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly inputSize?: number;
}

/** Numbers of the layers that a layer's inputs come from. */
function sourcesOf(layer: ModuleRecord, index: number): readonly number[] {
  const { f, i } = layer.attributes;
  if (i !== index) refuseAttribute(layer, 'i');
  const from = Array.isArray(f) ? f : [f];
  return from.map((source) => {
    if (typeof source !== 'number' || !Number.isInteger(source) || source >= index || source < -index - 1)
      return refuseAttribute(layer, 'f');
    // Counted from the layer itself where negative; layer 0 takes the image.
    return source < 0 ? index + source : source;
  });
}

function sideOf(root: ModuleRecord, { file, inputSize = USUAL_SIDE }: DetectorOptions): number {
  if (inputSize % 32 === 0) return inputSize;
  throw new UserError(`${file}: a ${shortClass(root)} takes images of a multiple of 32 pixels, not ${inputSize}.`);
}

/**
 * @throws UserError naming the layer where its class or an attribute is not known
 */
export function detectorGraph(root: ModuleRecord, options: DetectorOptions): Graph {
  const { file, shapes } = options;
  const layers = [...(root.children.get('model') as ModuleRecord).children.values()];
  const head = layers.at(-1);
  if (!head || shortClass(head) !== 'Detect')
    throw new UserError(
      `${file}: its last layer is a ${head ? shortClass(head) : 'nothing'}; of Ultralytics' networks detectors with the head Detect are known. Export it to ONNX.`,
    );
  const side = sideOf(root, options);
  const b = new GraphBuilder();
  const shape = (name: string): readonly number[] =>
    shapes.get(name) ?? refuseLayer(root, `has no tensor ${name} in the file`);
  const tiedChannels: [ValueId, ValueId][] = [];
  const build: Build = { b, shape, has: (name) => shapes.has(name), tie: (a, c) => void tiedChannels.push([a, c]) };
  const [first] = [...shapes].find(([, sizes]) => sizes.length === 4) ?? refuseLayer(root, 'has no convolution');
  const input = {
    channels: shape(first)[1],
    height: side,
    width: side,
    mean: [0, 0, 0] as const,
    std: [1, 1, 1] as const,
    resize: side,
    interpolation: 'bilinear' as const,
    fit: 'letterbox' as const,
  };
  const image = b.input(input, 'images');
  const values: ValueId[] = [];
  for (const [index, layer] of layers.entries()) {
    const inputs = sourcesOf(layer, index).map((source) => (source < 0 ? image : values[source]));
    values.push(layer === head ? detectorHead(build, layer, inputs, side) : block(build, layer, inputs));
  }
  const header = {
    name: nameOf(file),
    family: 'yolo',
    input,
    classes: 0,
    ...(tiedChannels.length && { tiedChannels }),
  };
  return b.finish(header, [{ name: 'output0', value: values[values.length - 1] }], undefined, [...shapes.keys()]);
}

const nameOf = (file: string): string => (file.split(/[\\/]/).at(-1) ?? file).replace(/\.\w+$/, '') || 'detector';
