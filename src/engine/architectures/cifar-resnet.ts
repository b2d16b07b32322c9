/**
 * ResNets for 32 × 32 images, as pruning papers use them: no pooling before the blocks, the classifier named `linear`.
 * ResNet-20 … 110 (He et al. 2015, section 4.2) have three stages and the parameter-free shortcut "option A": every second
 * pixel, zero channels on both sides; or a projection ("option B") where the checkpoint has one. ResNet-18 … 152 have the
 * four stages of the ImageNet networks and projections. ReLU and pooling are function calls, so the counter misses them.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { blockCount } from './layers.ts';
import { type BuildOptions, IMAGENET_MEAN, IMAGENET_STD, type Variant } from './variant.ts';

interface CifarConfig {
  readonly name: string;
  /** Blocks of each stage. */
  readonly layers: readonly number[];
  /** Width of the first stage; each further stage has twice as many. */
  readonly width: number;
  readonly bottleneck?: boolean;
  /** Whether shortcuts that change the shape are convolutions; else zeros, where the checkpoint has none. */
  readonly projects?: boolean;
}

const DEPTHS = [20, 32, 44, 56, 110] as const;
const EXPANSION = 4;

const CONFIGS: readonly CifarConfig[] = [
  ...DEPTHS.map((depth) => ({ name: `resnet${depth}`, layers: new Array<number>(3).fill((depth - 2) / 6), width: 16 })),
  { name: 'resnet18_cifar', layers: [2, 2, 2, 2], width: 64, projects: true },
  { name: 'resnet34_cifar', layers: [3, 4, 6, 3], width: 64, projects: true },
  { name: 'resnet50_cifar', layers: [3, 4, 6, 3], width: 64, projects: true, bottleneck: true },
  { name: 'resnet101_cifar', layers: [3, 4, 23, 3], width: 64, projects: true, bottleneck: true },
  { name: 'resnet152_cifar', layers: [3, 8, 36, 3], width: 64, projects: true, bottleneck: true },
];

function paddedShortcut(b: GraphBuilder, path: string, x: ValueId, planes: number): ValueId {
  b.module(`${path}.shortcut`, 'LambdaLayer');
  const [, channels, height, width] = b.shape(x);
  const rows = b.slice(`${path}.shortcut`, x, 2, 0, height, 2, 'rows');
  const sampled = b.slice(`${path}.shortcut`, rows, 3, 0, width, 2, 'columns');
  // In a pruned network the checkpoint does not say which side lost more padding: a Graph saved with it does.
  const before = Math.floor((planes - channels) / 2);
  return b.add(
    'pad',
    `${path}.shortcut`,
    [sampled],
    { axis: 1, before, after: planes - channels - before },
    {},
    { suffix: 'pad' },
  );
}

interface BlockPlan {
  readonly path: string;
  readonly planes: number;
  readonly stride: number;
}

function convNorm(
  b: GraphBuilder,
  path: string,
  index: number,
  x: ValueId,
  conv: { out: number; kernel: number; stride?: number },
): ValueId {
  const padding = Math.floor(conv.kernel / 2);
  return b.batchNorm(`${path}.bn${index}`, b.conv(`${path}.conv${index}`, x, { ...conv, padding }));
}

function branch(b: GraphBuilder, config: CifarConfig, { path, planes, stride }: BlockPlan, x: ValueId): ValueId {
  const relu = (y: ValueId, index: number): ValueId => b.activation(path, y, 'relu', { suffix: `relu${index}` });
  if (!config.bottleneck) {
    const y = relu(convNorm(b, path, 1, x, { out: planes, kernel: 3, stride }), 1);
    return convNorm(b, path, 2, y, { out: planes, kernel: 3 });
  }
  let y = relu(convNorm(b, path, 1, x, { out: planes, kernel: 1 }), 1);
  y = relu(convNorm(b, path, 2, y, { out: planes, kernel: 3, stride }), 2);
  return convNorm(b, path, 3, y, { out: planes * EXPANSION, kernel: 1 });
}

function shortcut(b: GraphBuilder, config: CifarConfig, { path, stride }: BlockPlan, x: ValueId, out: number): ValueId {
  const own = `${path}.shortcut`;
  const changes = stride !== 1 || (config.projects && out !== b.shape(x)[1]);
  if (b.given(`${own}.0.weight`) || (config.projects && changes)) {
    b.module(own, 'Sequential');
    return b.batchNorm(`${own}.1`, b.conv(`${own}.0`, x, { out, kernel: 1, stride }));
  }
  return changes ? paddedShortcut(b, path, x, out) : x;
}

function block(b: GraphBuilder, config: CifarConfig, plan: BlockPlan, x: ValueId): ValueId {
  const { path } = plan;
  b.module(path, config.bottleneck ? 'Bottleneck' : 'BasicBlock');
  const y = branch(b, config, plan, x);
  const identity = shortcut(b, config, plan, x, b.shape(y)[1]);
  return b.activation(path, b.plus(path, y, identity), 'relu', { suffix: config.bottleneck ? 'relu3' : 'relu2' });
}

function build(config: CifarConfig, options: BuildOptions = {}): Graph {
  const { name, width } = config;
  const b = new GraphBuilder(options.shapes, options.revise);
  const side = options.inputSize ?? 32;
  const input = {
    channels: 3,
    height: side,
    width: side,
    mean: IMAGENET_MEAN,
    std: IMAGENET_STD,
    resize: side,
    interpolation: 'bilinear' as const,
  };
  let x = b.input(input);
  x = b.batchNorm('bn1', b.conv('conv1', x, { out: width, kernel: 3, padding: 1 }));
  x = b.activation('', x, 'relu', { suffix: 'relu' });
  config.layers.forEach((usual, stage) => {
    b.module(`layer${stage + 1}`, 'Sequential');
    const probe = (i: number): string => `layer${stage + 1}.${i}.conv1.weight`;
    const blocks = blockCount(options.shapes, 'conv1.weight', probe, usual);
    for (let i = 0; i < blocks; i++) {
      const plan = { path: `layer${stage + 1}.${i}`, planes: width << stage, stride: i === 0 && stage > 0 ? 2 : 1 };
      x = block(b, config, plan, x);
    }
  });
  x = b.mean('', x, [2, 3], false, { suffix: 'pool' });
  const classes = options.shapes?.('linear.weight')?.[0] ?? options.classes ?? 10;
  const logits = b.linear('linear', x, classes);
  return b.finish({ name, family: 'cifar-resnet', input, classes }, logits);
}

export const cifarResnetVariants: readonly Variant[] = CONFIGS.map((config) => ({
  name: config.name,
  family: 'cifar-resnet',
  signatures: [
    [
      'conv1.weight',
      `layer1.0.conv${config.bottleneck ? 3 : 2}.weight`,
      ...(config.layers.length > 3 ? ['layer4.0.conv1.weight'] : []),
      'linear.weight',
    ],
  ],
  build: (options) => build(config, options),
}));
