/** timm's ResNet, ConvNeXt and RegNet, and torchvision's MobileNetV2. */
import { UserError } from '../../../common/errors.ts';
import type { PickleObject } from '../../checkpoint/torch/pickle-values.ts';
import type { GraphNode } from '../../graph/graph.ts';
import type { LayerTree } from './layer-tree.ts';
import { flatten, float, identity, moduleOf, sequential } from './module-records.ts';

const range = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i);

const STAGES = [0, 1, 2, 3] as const;

function resNetBlock(tree: LayerTree, path: string): PickleObject {
  const isBasic = !tree.has(`${path}.conv3.weight`);
  const rate = tree.dropRate(`${path}.drop_path`);
  const has = { se: tree.has(`${path}.se.fc1.weight`), downsample: tree.has(`${path}.downsample.0.weight`) };
  const { stride } = tree.node(`${path}.${isBasic ? 'conv1' : 'conv2'}`, 'conv').attributes;
  const layer = (i: number): Record<string, PickleObject> => ({
    [`conv${i}`]: tree.conv(`${path}.conv${i}`),
    [`bn${i}`]: tree.batchNorm(`${path}.bn${i}`),
  });
  const act = (i: number): Record<string, PickleObject> => ({ [`act${i}`]: tree.activation(`${path}.act${i}`) });
  const halving = { drop_block: identity(), ...act(isBasic ? 1 : 2), aa: identity() };
  const shortcut = (): PickleObject =>
    sequential([tree.conv(`${path}.downsample.0`), tree.batchNorm(`${path}.downsample.1`)]);
  return moduleOf(
    `timm.models.resnet.${isBasic ? 'BasicBlock' : 'Bottleneck'}`,
    {
      ...(has.se ? {} : { se: null }),
      ...(has.downsample ? {} : { downsample: null }),
      stride: stride[0],
      dilation: 1,
      ...(rate ? {} : { drop_path: null }),
    },
    {
      ...layer(1),
      ...(isBasic ? halving : act(1)),
      ...layer(2),
      ...(isBasic ? {} : { ...halving, ...layer(3) }),
      se: has.se ? tree.squeeze(`${path}.se`) : null,
      ...act(isBasic ? 2 : 3),
      downsample: has.downsample ? shortcut() : null,
      drop_path: rate ? tree.dropPath(`${path}.drop_path`) : null,
    },
  );
}

/** A pooling that the Graph has at a path. */
function maxPool({ graph }: LayerTree, path: string): PickleObject {
  const node = graph.nodes.find((n): n is GraphNode<'maxPool'> => n.module === path && n.kind === 'maxPool');
  if (!node) throw new UserError(`${graph.name} has no pooling ${path}: its modules cannot be written`);
  const { kernel, stride, padding } = node.attributes;
  return moduleOf('torch.nn.modules.pooling.MaxPool2d', {
    kernel_size: kernel[0],
    stride: stride[0],
    padding: padding.top,
    dilation: 1,
    return_indices: false,
    ceil_mode: false,
  });
}

export function resNet(tree: LayerTree): PickleObject {
  const { graph } = tree;
  const width = tree.shape('fc.weight')[1];
  const layers = STAGES.map((i) => `layer${i + 1}`);
  return moduleOf(
    'timm.models.resnet.ResNet',
    {
      num_classes: graph.classes,
      in_chans: graph.input.channels,
      drop_rate: float(0),
      grad_checkpointing: false,
      feature_info: tree.features([['act1', 2], ...layers.map((path, i): [string, number] => [path, 4 << i])]),
      num_features: width,
      head_hidden_size: width,
      ...tree.timmConfig('fc', 'conv1'),
    },
    {
      conv1: tree.conv('conv1'),
      bn1: tree.batchNorm('bn1'),
      act1: tree.activation('act1'),
      maxpool: maxPool(tree, 'maxpool'),
      ...Object.fromEntries(
        layers.map((path) => [
          path,
          sequential(range(tree.count(`${path}.`, 'conv1.weight')).map((i) => resNetBlock(tree, `${path}.${i}`))),
        ]),
      ),
      global_pool: tree.globalPool(true),
      fc: tree.linear('fc'),
    },
  );
}

function convNeXtBlock(tree: LayerTree, path: string): PickleObject {
  return moduleOf(
    'timm.models.convnext.ConvNeXtBlock',
    { use_conv_mlp: false },
    {
      conv_dw: tree.conv(`${path}.conv_dw`),
      norm: tree.layerNorm(`${path}.norm`, 'LayerNorm'),
      mlp: tree.mlp(`${path}.mlp`, true),
      shortcut: identity(),
      drop_path: tree.dropPath(`${path}.drop_path`),
    },
    { parameters: { gamma: tree.shape(`${path}.gamma`) } },
  );
}

export function convNeXt(tree: LayerTree): PickleObject {
  const { graph } = tree;
  const width = tree.shape('head.fc.weight')[1];
  const norm = (path: string): PickleObject => tree.layerNorm(path, 'LayerNorm2d');
  const stages = STAGES.map((i) => `stages.${i}`);
  const downsample = (path: string): PickleObject =>
    tree.has(`${path}.1.weight`) ? sequential([norm(`${path}.0`), tree.conv(`${path}.1`)]) : identity();
  return moduleOf(
    'timm.models.convnext.ConvNeXt',
    {
      num_classes: graph.classes,
      in_chans: graph.input.channels,
      drop_rate: float(0),
      feature_info: tree.features(stages.map((path, i) => [path, 4 << i])),
      num_features: width,
      head_hidden_size: width,
      ...tree.timmConfig('head.fc', 'stem.0'),
    },
    {
      stem: sequential([tree.conv('stem.0'), norm('stem.1')]),
      stages: sequential(
        stages.map((path) => {
          const blocks = range(tree.count(`${path}.blocks.`, 'conv_dw.weight'));
          return moduleOf(
            'timm.models.convnext.ConvNeXtStage',
            { grad_checkpointing: false },
            {
              downsample: downsample(`${path}.downsample`),
              blocks: sequential(blocks.map((i) => convNeXtBlock(tree, `${path}.blocks.${i}`))),
            },
          );
        }),
      ),
      norm_pre: identity(),
      head: moduleOf(
        'timm.layers.classifier.NormMlpClassifierHead',
        { in_features: width, hidden_size: null, num_features: width, use_conv: false },
        {
          global_pool: tree.globalPool(false),
          norm: norm('head.norm'),
          flatten: flatten(),
          pre_logits: identity(),
          drop: tree.dropout('head.drop'),
          fc: tree.linear('head.fc'),
        },
      ),
    },
  );
}

/** timm's ConvNormAct; its norm ends in an activation where the Graph has one. */
function convNormAct(tree: LayerTree, path: string): PickleObject {
  const isActive = tree.graph.nodes.some(({ module }) => module === `${path}.bn.act`);
  const act = isActive ? tree.activation(`${path}.bn.act`) : identity();
  const bn = tree.batchNorm(`${path}.bn`, 'timm.layers.norm_act.BatchNormAct2d', { drop: identity(), act });
  return moduleOf('timm.layers.conv_bn_act.ConvNormAct', { aa: null }, { conv: tree.conv(`${path}.conv`), bn });
}

function regNetBlock(tree: LayerTree, path: string): PickleObject {
  const has = (name: string): boolean => tree.has(`${path}.${name}`);
  return moduleOf(
    'timm.models.regnet.Bottleneck',
    {},
    {
      conv1: convNormAct(tree, `${path}.conv1`),
      conv2: convNormAct(tree, `${path}.conv2`),
      se: has('se.fc1.weight') ? tree.squeeze(`${path}.se`) : identity(),
      conv3: convNormAct(tree, `${path}.conv3`),
      act3: tree.activation(`${path}.act3`, false),
      downsample: has('downsample.conv.weight') ? convNormAct(tree, `${path}.downsample`) : identity(),
      drop_path: tree.dropPath(`${path}.drop_path`),
    },
  );
}

export function regNet(tree: LayerTree): PickleObject {
  const { graph } = tree;
  const width = tree.shape('head.fc.weight')[1];
  const stages = STAGES.map((i) => `s${i + 1}`);
  const stage = (path: string): PickleObject => {
    const blocks = range(tree.count(`${path}.b`, 'conv1.conv.weight', 1), 1);
    const children = Object.fromEntries(blocks.map((i) => [`b${i}`, regNetBlock(tree, `${path}.b${i}`)]));
    return moduleOf('timm.models.regnet.RegStage', { grad_checkpointing: false }, children);
  };
  return moduleOf(
    'timm.models.regnet.RegNet',
    {
      num_classes: graph.classes,
      in_chans: graph.input.channels,
      drop_rate: float(0),
      feature_info: tree.features([['stem', 2], ...stages.map((path, i): [string, number] => [path, 4 << i])]),
      num_features: width,
      head_hidden_size: width,
      ...tree.timmConfig('head.fc', 'stem.conv'),
    },
    {
      stem: convNormAct(tree, 'stem'),
      ...Object.fromEntries(stages.map((path) => [path, stage(path)])),
      final_conv: identity(),
      head: moduleOf(
        'timm.layers.classifier.ClassifierHead',
        { in_features: width, use_conv: false, input_fmt: 'NCHW', num_features: width },
        {
          global_pool: tree.globalPool(true),
          drop: tree.dropout('head.drop'),
          fc: tree.linear('head.fc'),
          flatten: identity(),
        },
      ),
    },
  );
}

/** torchvision's convolution, norm and ReLU6. */
function convNormReLU6(tree: LayerTree, path: string): PickleObject {
  const layers = { 0: tree.conv(`${path}.0`), 1: tree.batchNorm(`${path}.1`), 2: tree.activation(`${path}.2`) };
  const width = tree.shape(`${path}.0.weight`)[0];
  return moduleOf('torchvision.ops.misc.Conv2dNormActivation', { out_channels: width }, layers);
}

function invertedResidual(tree: LayerTree, path: string): PickleObject {
  const depthwise = range(tree.count(`${path}.conv.`, '0.weight'));
  const last = depthwise.length;
  const [stride] = tree.node(`${path}.conv.${last - 1}.0`, 'conv').attributes.stride;
  const adds = tree.graph.nodes.some(({ kind, module }) => kind === 'add' && module === path);
  const layers = [
    ...depthwise.map((i) => convNormReLU6(tree, `${path}.conv.${i}`)),
    tree.conv(`${path}.conv.${last}`),
    tree.batchNorm(`${path}.conv.${last + 1}`),
  ];
  return moduleOf(
    'torchvision.models.mobilenetv2.InvertedResidual',
    {
      stride,
      use_res_connect: adds,
      out_channels: tree.shape(`${path}.conv.${last}.weight`)[0],
      _is_cn: stride > 1,
    },
    { conv: sequential(layers) },
  );
}

export function mobileNetV2(tree: LayerTree): PickleObject {
  const blocks = tree.count('features.', 'conv.0.0.weight', 1);
  return moduleOf(
    'torchvision.models.mobilenetv2.MobileNetV2',
    { last_channel: tree.shape('classifier.1.weight')[1] },
    {
      features: sequential([
        convNormReLU6(tree, 'features.0'),
        ...range(blocks, 1).map((i) => invertedResidual(tree, `features.${i}`)),
        convNormReLU6(tree, `features.${blocks + 1}`),
      ]),
      classifier: sequential([tree.dropout('classifier.0'), tree.linear('classifier.1')]),
    },
  );
}
