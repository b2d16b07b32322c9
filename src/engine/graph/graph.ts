/** The Graph: the one representation of a network that everything else reads. Immutable. */
import { UserError } from '../../common/errors.ts';
import type { OperationAttributes, OperationKind, ParameterRole, Shape } from './operations.ts';
import type { OutputPlace } from './output-places.ts';
import type { DType } from './tensor.ts';

/** Names a node and the value it computes. */
export type ValueId = string;

interface NodeOf<K extends OperationKind> {
  /** Unique; the module path where one node is the module (`layer1.0.conv1`), else the path with a suffix (`layer1.0.add`). */
  readonly id: ValueId;
  readonly kind: K;
  readonly attributes: OperationAttributes[K];
  readonly inputs: readonly ValueId[];
  /** State-dict names by role. */
  readonly parameters: Readonly<Partial<Record<ParameterRole, string>>>;
  /** Path of the PyTorch module that computes it; '' for the root's own forward. */
  readonly module: string;
  /** PyTorch class of that module when the node is the module (`Conv2d`, `BatchNorm2d`); '' for a function call. */
  readonly moduleType: string;
  /** Whether the reference's MACs counter sees it: it misses functional calls and subclasses (semantics of the paper's figures). */
  readonly counted: boolean;
}

/** A node; narrowing on `kind` gives its attributes. */
export type GraphNode<K extends OperationKind = OperationKind> = { [P in K]: NodeOf<P> }[K];

export interface ParameterSpec {
  /** State-dict name. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** False for buffers: running statistics and counters. */
  readonly trainable: boolean;
}

/** A composite module, for the hierarchy that a person sees. */
export interface ModuleSpec {
  readonly path: string;
  /** PyTorch class name: `Bottleneck`, `Attention`, `Sequential`. */
  readonly type: string;
}

/** What an image must look like before it enters the network. */
export interface InputConfig {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** Shorter side after resizing, before the centre crop. */
  readonly resize: number;
  readonly interpolation: 'bilinear' | 'bicubic' | 'lanczos' | 'nearest';
  /**
   * How the whole image becomes the square, in place of the resizing and the crop: `stretch` regardless of its sides, `letterbox` within
   * a grey border. Without it the centre is cropped.
   */
  readonly fit?: WholeImageFit;
  /** Blue first; red first without it. */
  readonly order?: 'bgr';
}

export type WholeImageFit = 'stretch' | 'letterbox';

/** One of the values that a network gives. */
export interface GraphOutput {
  /** `logits` of a classifier that we build; what the file calls it otherwise. */
  readonly name: string;
  readonly value: ValueId;
  /** Where the module returns it, once or several times; left out where outputs come in order, one alone as itself. */
  readonly places?: readonly OutputPlace[];
}

/** What a file had behind its logits. */
export const ENDINGS = ['softmax', 'logSoftmax'] as const;

export interface Graph {
  /** Model name, timm's or torchvision's: `resnet50`. */
  readonly name: string;
  /** Architecture family: `resnet`, `deit`, … or `onnx`. */
  readonly family: string;
  readonly input: InputConfig;
  /** Of a classifier, which has one output of [N, classes]; 0 for any other network: a detector, a segmenter. */
  readonly classes: number;
  /** In an order in which every node comes after its inputs. */
  readonly nodes: readonly GraphNode[];
  /** In state-dict order. */
  readonly parameters: readonly ParameterSpec[];
  readonly modules: readonly ModuleSpec[];
  /** What it gives in evaluation, in order; at least one. */
  readonly outputs: readonly GraphOutput[];
  /** Values in training: those of `outputs`, or class head and distillation head of a distilled DeiT. */
  readonly trainingOutputs: readonly ValueId[];
  /**
   * Pairs of values whose channels (dimension 1) go together although no operation says so: the classes that the network came as, and goes
   * back to, compute both with one width.
   */
  readonly tiedChannels?: readonly (readonly [ValueId, ValueId])[];
  /** What followed the logits, over the classes, in the file that the network came from: left out here, written again on export. */
  readonly ending?: (typeof ENDINGS)[number];
}

export const isClassifier = ({ classes }: Pick<Graph, 'classes'>): boolean => classes > 0;

/** The logits of a classifier. Throws UserError for any other network: what asks for them works on classes. */
export function logitsOf(graph: Graph): ValueId {
  if (!isClassifier(graph))
    throw new UserError(
      `${graph.name} is not a classifier: it gives ${graph.outputs.map(({ name }) => name).join(', ')}, not logits of classes`,
    );
  return graph.outputs[0].value;
}

/** Every value that leaves the network, in evaluation or in training. */
export function leavingValues(graph: Pick<Graph, 'outputs' | 'trainingOutputs'>): ReadonlySet<ValueId> {
  return new Set([...graph.outputs.map(({ value }) => value), ...graph.trainingOutputs]);
}

export function nodesById(graph: Graph): ReadonlyMap<ValueId, GraphNode> {
  return new Map(graph.nodes.map((node) => [node.id, node]));
}

export function parametersByName(graph: Graph): ReadonlyMap<string, ParameterSpec> {
  return new Map(graph.parameters.map((parameter) => [parameter.name, parameter]));
}

/** Shape of the images that enter: [N, C, H, W]. */
export function inputShape(graph: Graph): Shape {
  return [-1, graph.input.channels, graph.input.height, graph.input.width];
}
