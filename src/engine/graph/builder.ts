/**
 * Builds a Graph node by node, inferring shapes as it goes.
 *
 * Widths come from `shapes` where it names a parameter (a checkpoint, pruned or not), else from the architecture:
 * one builder so serves dense and pruned networks.
 */
import { FreeNames } from '../../common/free-names.ts';
import type { ActivationFunction } from './activations.ts';
import type { Graph, GraphNode, GraphOutput, InputConfig, ModuleSpec, ParameterSpec, ValueId } from './graph.ts';
import type { OperationAttributes, OperationKind, Pair, ParameterRole, Shape, SpatialPadding } from './operations.ts';
import { tensorFlowPadding } from './padding.ts';
import { UNCOUNTED_MODULES } from './reference-quirks.ts';
import { nodeShape } from './shapes.ts';
import type { DType } from './tensor.ts';

/** Parameter shapes of a checkpoint by state-dict name; undefined for the architecture's own. */
export type ParameterShapes = (name: string) => readonly number[] | undefined;

/** A node as it is to be instead: with other attributes, or whatever the function builds in its place (its input, to leave it out). */
export type Revision = GraphNode | ((b: GraphBuilder) => ValueId);

/** Looks at every node before it is added; undefined leaves it as it is. `inputs`: shapes of its inputs. */
export type Revise = (node: GraphNode, inputs: readonly Shape[]) => Revision | undefined;

export interface NodeOptions {
  /** Appended to the module path to name a function call: `add`, `relu2`. */
  readonly suffix?: string;
  readonly moduleType?: string;
  readonly counted?: boolean;
}

interface ConvOptions {
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on every side, or TensorFlow's SAME for the size that enters. */
  readonly padding?: number | 'same';
  readonly groups?: number;
  readonly bias?: boolean;
}

const pair = (n: number): Pair => [n, n];
const padded = (n: number): SpatialPadding => ({ top: n, left: n, bottom: n, right: n });
const join = (path: string, name: string): string => (path ? `${path}.${name}` : name);

export class GraphBuilder {
  readonly #nodes: GraphNode[] = [];
  readonly #free = new FreeNames();
  readonly #shapes = new Map<ValueId, Shape>();
  readonly #parameters = new Map<string, ParameterSpec>();
  readonly #modules: ModuleSpec[] = [];
  readonly #given: ParameterShapes;
  readonly #revise: Revise;
  /** What a revision builds is not revised again. */
  #revising = false;

  constructor(given: ParameterShapes = () => undefined, revise: Revise = () => undefined) {
    this.#given = given;
    this.#revise = revise;
  }

  shape(id: ValueId): Shape {
    const shape = this.#shapes.get(id);
    if (!shape) throw new Error(`no value ${id}`);
    return shape;
  }

  /** Shape the checkpoint gives to a parameter, if it has it. */
  given(name: string): readonly number[] | undefined {
    return this.#given(name);
  }

  /** Declares a composite module, for the hierarchy. */
  module(path: string, type: string): void {
    this.#modules.push({ path, type });
  }

  parameter(name: string, shape: readonly number[], trainable = true, dtype: DType = 'float32'): string {
    if (!this.#parameters.has(name)) this.#parameters.set(name, { name, shape, dtype, trainable });
    return name;
  }

  /** Adds any node; the id is the module path, with `suffix` for function calls, made unique by a counter. */
  add<K extends OperationKind>(
    kind: K,
    module: string,
    inputs: readonly ValueId[],
    attributes: OperationAttributes[K],
    parameters: Partial<Record<ParameterRole, string>> = {},
    options: NodeOptions = {},
  ): ValueId {
    const base = options.suffix ? join(module, options.suffix) : module || kind;
    const id = this.#free.find(base, (name) => this.#shapes.has(name));
    const { moduleType = '', counted = moduleType !== '' && !UNCOUNTED_MODULES.has(moduleType) } = options;
    const node = { id, kind, attributes, inputs, parameters, module, moduleType, counted } as unknown as GraphNode;
    const inputShapes = inputs.map((input) => this.shape(input));
    const revised = (!this.#revising && this.#revise(node, inputShapes)) || node;
    if (typeof revised === 'function') return this.#replacement(revised);
    const parameterShape = (role: string): readonly number[] | undefined =>
      this.#parameters.get(parameters[role as ParameterRole] ?? '')?.shape;
    const shape = nodeShape(revised, inputShapes, parameterShape);
    this.#nodes.push(revised);
    this.#shapes.set(id, shape);
    return id;
  }

  #replacement(build: (b: GraphBuilder) => ValueId): ValueId {
    this.#revising = true;
    try {
      return build(this);
    } finally {
      this.#revising = false;
    }
  }

  input(input: InputConfig, id = 'input'): ValueId {
    return this.add('input', '', [], { shape: [-1, input.channels, input.height, input.width] }, {}, { suffix: id });
  }

  conv(path: string, x: ValueId, options: ConvOptions, node: NodeOptions = {}): ValueId {
    const { kernel, stride = 1, padding = 0, bias = false } = options;
    const given = this.given(`${path}.weight`);
    const into = this.shape(x)[1];
    const out = given?.[0] ?? options.out;
    // A depthwise convolution stays depthwise at any width; a grouped one keeps the checkpoint's group width.
    const requested = options.groups ?? 1;
    const groups = requested === 1 ? 1 : given ? Math.max(1, into / given[1]) : requested;
    const weight = this.parameter(`${path}.weight`, [out, into / groups, kernel, kernel]);
    const parameters = bias ? { weight, bias: this.parameter(`${path}.bias`, [out]) } : { weight };
    const window = { kernel: pair(kernel), stride: pair(stride), dilation: pair(1) } as const;
    const [, , height, width] = this.shape(x);
    const zeros = padding === 'same' ? tensorFlowPadding(window, [height, width]) : padded(padding);
    return this.add(
      'conv',
      path,
      [x],
      { kernel: window.kernel, stride: window.stride, padding: zeros, dilation: window.dilation, groups },
      parameters,
      {
        moduleType: 'Conv2d',
        ...node,
      },
    );
  }

  linear(path: string, x: ValueId, out: number, options: NodeOptions & { bias?: boolean } = {}): ValueId {
    const { bias = true, ...node } = options;
    const into = this.shape(x).at(-1) as number;
    const width = this.given(`${path}.weight`)?.[0] ?? out;
    const weight = this.parameter(`${path}.weight`, [width, into]);
    const parameters = bias ? { weight, bias: this.parameter(`${path}.bias`, [width]) } : { weight };
    return this.add('linear', path, [x], {}, parameters, { moduleType: 'Linear', ...node });
  }

  batchNorm(path: string, x: ValueId, options: NodeOptions & { eps?: number; momentum?: number } = {}): ValueId {
    const { eps = 1e-5, momentum = 0.1, ...node } = options;
    const channels = [this.shape(x)[1]];
    const parameters = {
      weight: this.parameter(`${path}.weight`, channels),
      bias: this.parameter(`${path}.bias`, channels),
      runningMean: this.parameter(`${path}.running_mean`, channels, false),
      runningVar: this.parameter(`${path}.running_var`, channels, false),
      batchCount: this.parameter(`${path}.num_batches_tracked`, [], false, 'int64'),
    };
    return this.add('batchNorm', path, [x], { eps, momentum }, parameters, { moduleType: 'BatchNorm2d', ...node });
  }

  layerNorm(path: string, x: ValueId, options: NodeOptions & { eps?: number; axis?: number } = {}): ValueId {
    const shape = this.shape(x);
    const { eps = 1e-6, axis = shape.length - 1, ...node } = options;
    const parameters = {
      weight: this.parameter(`${path}.weight`, [shape[axis]]),
      bias: this.parameter(`${path}.bias`, [shape[axis]]),
    };
    return this.add('layerNorm', path, [x], { eps, axis }, parameters, { moduleType: 'LayerNorm', ...node });
  }

  /** A bare parameter as a value. */
  value(path: string, shape: readonly number[], options: NodeOptions = {}): ValueId {
    const name = this.parameter(path, this.given(path) ?? shape);
    const module = path.includes('.') ? path.slice(0, path.lastIndexOf('.')) : '';
    return this.add(
      'parameter',
      module,
      [],
      {},
      { value: name },
      { suffix: path.slice(path.lastIndexOf('.') + 1), ...options },
    );
  }

  activation(path: string, x: ValueId, kind: ActivationFunction, options: NodeOptions = {}): ValueId {
    return this.add('activation', path, [x], { function: kind }, {}, options);
  }

  plus(path: string, a: ValueId, b: ValueId, suffix = 'add'): ValueId {
    return this.add('add', path, [a, b], {}, {}, { suffix });
  }

  times(path: string, a: ValueId, b: ValueId, suffix = 'multiply'): ValueId {
    return this.add('multiply', path, [a, b], {}, {}, { suffix });
  }

  reshape(path: string, x: ValueId, shape: Shape, suffix = 'reshape'): ValueId {
    return this.add('reshape', path, [x], { shape }, {}, { suffix });
  }

  transpose(path: string, x: ValueId, permutation: readonly number[], suffix = 'transpose'): ValueId {
    return this.add('transpose', path, [x], { permutation }, {}, { suffix });
  }

  maxPool(
    path: string,
    x: ValueId,
    kernel: number,
    stride: number,
    padding: number,
    options: NodeOptions = {},
  ): ValueId {
    const attributes = { kernel: pair(kernel), stride: pair(stride), padding: padded(padding) };
    return this.add('maxPool', path, [x], attributes, {}, { moduleType: 'MaxPool2d', ...options });
  }

  averagePool(
    path: string,
    x: ValueId,
    kernel: number,
    stride: number,
    options: NodeOptions & { padding?: number; countPadding?: boolean } = {},
  ): ValueId {
    const { padding = 0, countPadding = true, ...node } = options;
    const attributes = { kernel: pair(kernel), stride: pair(stride), padding: padded(padding), countPadding };
    return this.add('averagePool', path, [x], attributes, {}, { moduleType: 'AvgPool2d', ...node });
  }

  mean(path: string, x: ValueId, axes: readonly number[], keepDimensions: boolean, options: NodeOptions = {}): ValueId {
    return this.add('mean', path, [x], { axes, keepDimensions }, {}, { suffix: 'mean', ...options });
  }

  slice(path: string, x: ValueId, axis: number, start: number, end: number, step = 1, suffix = 'slice'): ValueId {
    return this.add('slice', path, [x], { axis, start, end, step }, {}, { suffix });
  }

  concat(path: string, inputs: readonly ValueId[], axis: number, suffix = 'concat'): ValueId {
    return this.add('concat', path, inputs, { axis }, {}, { suffix });
  }

  softmax(path: string, x: ValueId, axis: number, suffix = 'softmax'): ValueId {
    return this.add('softmax', path, [x], { axis }, {}, { suffix });
  }

  matmul(path: string, a: ValueId, b: ValueId, transposeB: boolean, suffix = 'matmul'): ValueId {
    return this.add('matmul', path, [a, b], { transposeB }, {}, { suffix });
  }

  scale(path: string, x: ValueId, by: OperationAttributes['scale']['by'], suffix = 'scale'): ValueId {
    return this.add('scale', path, [x], { by }, {}, { suffix });
  }

  expand(path: string, x: ValueId, shape: Shape, suffix = 'expand'): ValueId {
    return this.add('expand', path, [x], { shape }, {}, { suffix });
  }

  dropPath(path: string, x: ValueId, probability: number): ValueId {
    return this.add('dropPath', path, [x], { probability }, {}, { moduleType: 'DropPath', counted: false });
  }

  /** `output`: the logits, or all outputs by name. `order`: the state dict's order of names where it differs from the order of use. */
  finish(
    header: Pick<Graph, 'name' | 'family' | 'input' | 'classes' | 'tiedChannels'>,
    output: ValueId | readonly GraphOutput[],
    trainingOutputs?: readonly ValueId[],
    order: readonly string[] = [],
  ): Graph {
    const outputs = typeof output === 'string' ? [{ name: 'logits', value: output }] : output;
    const first = order.flatMap((name) => this.#parameters.get(name) ?? []);
    const rest = [...this.#parameters.values()].filter((p) => !order.includes(p.name));
    return {
      ...header,
      nodes: this.#nodes,
      parameters: [...first, ...rest],
      modules: this.#modules,
      outputs,
      trainingOutputs: trainingOutputs ?? outputs.map(({ value }) => value),
    };
  }
}
