/** Layers of a Graph as records of PyTorch's and timm's modules (timm 1.0.31). */
import { UserError } from '../../../common/errors.ts';
import type { PickleObject, PickleValue } from '../../checkpoint/torch/pickle-values.ts';
import { pickledTensor } from '../../checkpoint/torch/pickle-write.ts';
import type { Graph, GraphNode } from '../../graph/graph.ts';
import type { OperationKind } from '../../graph/operations.ts';
import {
  type Attributes,
  type Children,
  dict,
  dropout,
  flatten,
  float,
  identity,
  moduleOf,
  type Tensors,
  tuple,
} from './module-records.ts';

const bounded = { min_val: float(0), max_val: float(6), inplace: true };

/** Class and attributes of an activation, by PyTorch's name. timm's own are named where a network has them. */
const ACTIVATIONS: Readonly<Record<string, readonly [string, Attributes]>> = {
  ReLU: ['torch.nn.modules.activation.ReLU', { inplace: true }],
  ReLU6: ['torch.nn.modules.activation.ReLU6', bounded],
  GELU: ['torch.nn.modules.activation.GELU', { approximate: 'none' }],
  GELUTanh: ['timm.layers.activations.GELUTanh', {}],
  Sigmoid: ['timm.layers.activations.Sigmoid', { inplace: false }],
};

/** Modules of one Graph: layers as its nodes say them. */
export class LayerTree {
  readonly #byWeight = new Map<string, GraphNode>();
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(readonly graph: Graph) {
    this.#shapes = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
    for (const node of graph.nodes) if (node.parameters.weight) this.#byWeight.set(node.parameters.weight, node);
  }

  has(name: string): boolean {
    return this.#shapes.has(name);
  }

  shape(name: string): readonly number[] {
    const shape = this.#shapes.get(name);
    if (!shape) throw new UserError(`${this.graph.name} has no tensor ${name}: its modules cannot be written`);
    return shape;
  }

  /** How many `prefix.0`, `prefix.1`, … have a parameter `suffix`; `first`: the number of the first. */
  count(prefix: string, suffix: string, first = 0): number {
    let count = 0;
    while (this.has(`${prefix}${first + count}.${suffix}`)) count++;
    return count;
  }

  /** The node of a layer, which must be of this kind. */
  node<K extends OperationKind>(path: string, kind: K): GraphNode<K> {
    const node = this.#byWeight.get(`${path}.weight`);
    if (node?.kind !== kind)
      throw new UserError(`${this.graph.name} has no ${kind} ${path}: its modules cannot be written`);
    return node as GraphNode<K>;
  }

  /** The weight, and the bias or None. */
  #parameters(path: string): Tensors['parameters'] {
    return {
      weight: this.shape(`${path}.weight`),
      bias: this.has(`${path}.bias`) ? this.shape(`${path}.bias`) : null,
    };
  }

  conv(path: string): PickleObject {
    const { kernel, stride, padding, dilation, groups } = this.node(path, 'conv').attributes;
    const [out, into] = this.shape(`${path}.weight`);
    const { top, left, bottom, right } = padding;
    if (top !== bottom || left !== right)
      throw new UserError(`${path} of ${this.graph.name} pads its sides unequally, which nn.Conv2d does not`);
    return moduleOf(
      'torch.nn.modules.conv.Conv2d',
      {
        in_channels: into * groups,
        out_channels: out,
        kernel_size: tuple(...kernel),
        stride: tuple(...stride),
        padding: tuple(top, left),
        dilation: tuple(...dilation),
        transposed: false,
        output_padding: tuple(0, 0),
        groups,
        padding_mode: 'zeros',
        _reversed_padding_repeated_twice: tuple(left, left, top, top),
      },
      {},
      { parameters: this.#parameters(path) },
    );
  }

  linear(path: string): PickleObject {
    const [out, into] = this.shape(`${path}.weight`);
    const attributes = { in_features: into, out_features: out };
    return moduleOf('torch.nn.modules.linear.Linear', attributes, {}, { parameters: this.#parameters(path) });
  }

  batchNorm(path: string, className = 'torch.nn.modules.batchnorm.BatchNorm2d', children: Children = {}): PickleObject {
    const { eps, momentum } = this.node(path, 'batchNorm').attributes;
    const buffer = (name: string, dtype: 'float32' | 'int64' = 'float32'): PickleObject =>
      pickledTensor({ dtype, shape: this.shape(`${path}.${name}`), storageKey: '' });
    return moduleOf(
      className,
      {
        num_features: this.shape(`${path}.weight`)[0],
        eps: float(eps),
        momentum: float(momentum),
        affine: true,
        track_running_stats: true,
      },
      children,
      {
        parameters: this.#parameters(path),
        buffers: {
          running_mean: buffer('running_mean'),
          running_var: buffer('running_var'),
          num_batches_tracked: buffer('num_batches_tracked', 'int64'),
        },
      },
    );
  }

  /** `timm`: timm's own class, and which. */
  layerNorm(path: string, timm?: 'LayerNorm' | 'LayerNorm2d'): PickleObject {
    const { eps } = this.node(path, 'layerNorm').attributes;
    const attributes = {
      normalized_shape: tuple(this.shape(`${path}.weight`)[0]),
      eps: float(eps),
      elementwise_affine: true,
    };
    const parameters = this.#parameters(path);
    return timm
      ? moduleOf(`timm.layers.norm.${timm}`, { ...attributes, _fast_norm: false }, {}, { parameters })
      : moduleOf('torch.nn.modules.normalization.LayerNorm', attributes, {}, { parameters });
  }

  /** The activation that the Graph has in a module of this path. */
  activation(path: string, inplace?: boolean): PickleObject {
    const node = this.graph.nodes.find(({ module, kind }) => module === path && kind === 'activation');
    const known = ACTIVATIONS[node?.moduleType ?? ''];
    if (!node || !known)
      throw new UserError(
        `${this.graph.name} has ${node ? `a ${node.moduleType || 'function'}` : 'no activation'} at ${path}, whose class is not known`,
      );
    const [className, attributes] = known;
    const isSet = inplace !== undefined && 'inplace' in attributes;
    return moduleOf(className, isSet ? { ...attributes, inplace } : attributes);
  }

  /** timm's stochastic depth; Identity where the rate is 0. */
  dropPath(path: string): PickleObject {
    const rate = this.dropRate(path);
    const attributes = { drop_prob: float(rate), scale_by_keep: true };
    return rate ? moduleOf('timm.layers.drop.DropPath', attributes) : identity();
  }

  dropRate(path: string): number {
    const node = this.graph.nodes.find(({ module, kind }) => module === path && kind === 'dropPath');
    return node?.kind === 'dropPath' ? node.attributes.probability : 0;
  }

  /** nn.Dropout with the rate that the Graph has at its path. */
  dropout(path: string): PickleObject {
    const node = this.graph.nodes.find(({ module, kind }) => module === path && kind === 'dropout');
    return dropout(node?.kind === 'dropout' ? node.attributes.probability : 0);
  }

  /** timm's SEModule of two convolutions. */
  squeeze(path: string): PickleObject {
    return moduleOf(
      'timm.layers.squeeze_excite.SEModule',
      { add_maxpool: false },
      {
        fc1: this.conv(`${path}.fc1`),
        bn: identity(),
        act: this.activation(`${path}.act`),
        fc2: this.conv(`${path}.fc2`),
        gate: this.activation(`${path}.gate`),
      },
    );
  }

  /** timm's Mlp of linear layers. `timmGelu`: GELU as a class of timm's. */
  mlp(path: string, timmGelu = false): PickleObject {
    const isPlain = this.graph.nodes.some(
      ({ module, moduleType }) => module === `${path}.act` && moduleType === 'GELU',
    );
    return moduleOf(
      'timm.layers.mlp.Mlp',
      {},
      {
        fc1: this.linear(`${path}.fc1`),
        act: timmGelu && isPlain ? moduleOf('timm.layers.activations.GELU') : this.activation(`${path}.act`),
        drop1: dropout(),
        norm: identity(),
        fc2: this.linear(`${path}.fc2`),
        drop2: dropout(),
      },
    );
  }

  /** timm's pooling of a classifier's head. */
  globalPool(flattens: boolean): PickleObject {
    const pool = moduleOf('torch.nn.modules.pooling.AdaptiveAvgPool2d', { output_size: 1 });
    return moduleOf(
      'timm.layers.adaptive_avgmax_pool.SelectAdaptivePool2d',
      { pool_type: 'avg' },
      { pool, flatten: flattens ? flatten() : identity() },
    );
  }

  /** What timm's networks say of themselves. `classifier`, `first`: paths of the last and the first layer. */
  timmConfig(classifier: PickleValue, first: string): Record<string, PickleValue> {
    const { name, input, classes } = this.graph;
    const config = dict({
      architecture: name,
      tag: '',
      custom_load: false,
      input_size: tuple(input.channels, input.height, input.width),
      fixed_input_size: false,
      interpolation: input.interpolation,
      crop_pct: float(input.height / input.resize),
      crop_mode: 'center',
      mean: tuple(...input.mean.map(float)),
      std: tuple(...input.std.map(float)),
      num_classes: classes,
      first_conv: first,
      classifier,
    });
    return { pretrained_cfg: config, default_cfg: config, pretrained_model_args: dict({}), _model_args: dict({}) };
  }

  /** `feature_info` of timm's: where stages end, and by how much the image is smaller there. */
  features(stages: readonly (readonly [module: string, reduction: number])[]): PickleValue {
    return stages.map(([module, reduction]) => dict({ num_chs: 0, reduction, module }));
  }
}
