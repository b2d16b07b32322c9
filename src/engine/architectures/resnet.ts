/** ResNet, wide ResNet and ResNeXt (He et al. 2015; Xie et al. 2016), with timm's and torchvision's state-dict names. */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { activationModule, blockCount, classify, globalPool, residual, stageRamps } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

interface ResNetConfig {
  readonly block: 'basic' | 'bottleneck';
  readonly layers: readonly [number, number, number, number];
  readonly groups?: number;
  /** Width of one group's inner convolution at 64 planes. */
  readonly groupWidth?: number;
}

const EXPANSION = { basic: 1, bottleneck: 4 } as const;

const CONFIGS: Readonly<Record<string, ResNetConfig>> = {
  resnet18: { block: 'basic', layers: [2, 2, 2, 2] },
  resnet34: { block: 'basic', layers: [3, 4, 6, 3] },
  resnet50: { block: 'bottleneck', layers: [3, 4, 6, 3] },
  resnet101: { block: 'bottleneck', layers: [3, 4, 23, 3] },
  resnet152: { block: 'bottleneck', layers: [3, 8, 36, 3] },
  wide_resnet50_2: { block: 'bottleneck', layers: [3, 4, 6, 3], groupWidth: 128 },
  wide_resnet101_2: { block: 'bottleneck', layers: [3, 4, 23, 3], groupWidth: 128 },
  resnext50_32x4d: { block: 'bottleneck', layers: [3, 4, 6, 3], groups: 32, groupWidth: 4 },
  resnext101_32x8d: { block: 'bottleneck', layers: [3, 4, 23, 3], groups: 32, groupWidth: 8 },
};

interface BlockPlan {
  readonly path: string;
  readonly planes: number;
  readonly stride: number;
  /** Probability of stochastic depth. */
  readonly drop: number;
}

/** conv → batch norm, and ReLU where `relu` names it. */
function convNorm(
  b: GraphBuilder,
  path: string,
  index: number | '',
  x: ValueId,
  conv: { out: number; kernel: number; stride?: number; groups?: number },
  relu: boolean,
): ValueId {
  const padding = Math.floor(conv.kernel / 2);
  const y = b.batchNorm(`${path}.bn${index}`, b.conv(`${path}.conv${index}`, x, { ...conv, padding }));
  return relu ? activationModule(b, `${path}.act${index}`, y, 'relu') : y;
}

function residualBranch(
  b: GraphBuilder,
  config: ResNetConfig,
  { path, planes, stride }: BlockPlan,
  x: ValueId,
): ValueId {
  if (config.block === 'basic') {
    const y = convNorm(b, path, 1, x, { out: planes, kernel: 3, stride }, true);
    return convNorm(b, path, 2, y, { out: planes, kernel: 3 }, false);
  }
  const { groups = 1, groupWidth = 64 } = config;
  const width = Math.floor((planes * groupWidth) / 64) * groups;
  const y = convNorm(b, path, 1, x, { out: width, kernel: 1 }, true);
  const z = convNorm(b, path, 2, y, { out: width, kernel: 3, stride, groups }, true);
  return convNorm(b, path, 3, z, { out: planes * EXPANSION.bottleneck, kernel: 1 }, false);
}

/** The block's output; its shortcut is a convolution in the `first` block of a stage, where shapes change. */
function block(b: GraphBuilder, config: ResNetConfig, plan: BlockPlan, x: ValueId, first: boolean): ValueId {
  const { path, planes, stride } = plan;
  const out = planes * EXPANSION[config.block];
  b.module(path, config.block === 'basic' ? 'BasicBlock' : 'Bottleneck');
  const branch = residualBranch(b, config, plan, x);
  let shortcut = x;
  if (first && (stride !== 1 || out !== 64 || config.block === 'bottleneck')) {
    b.module(`${path}.downsample`, 'Sequential');
    shortcut = b.batchNorm(`${path}.downsample.1`, b.conv(`${path}.downsample.0`, x, { out, kernel: 1, stride }));
  }
  const last = config.block === 'basic' ? 2 : 3;
  const sum = residual(b, path, shortcut, branch, { path: `${path}.drop_path`, probability: plan.drop });
  return activationModule(b, `${path}.act${last}`, sum, 'relu');
}

function build(name: string, config: ResNetConfig, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const input = imageNetInput(options.inputSize);
  let x = b.input(input);
  x = b.batchNorm('bn1', b.conv('conv1', x, { out: 64, kernel: 7, stride: 2, padding: 3 }));
  x = activationModule(b, 'act1', x, 'relu');
  x = b.maxPool('maxpool', x, 3, 2, 1);
  const depths = config.layers.map((usual, stage) =>
    blockCount(options.shapes, 'conv1.weight', (i) => `layer${stage + 1}.${i}.conv1.weight`, usual),
  );
  const drops = stageRamps(depths, options.dropPath);
  depths.forEach((depth, stage) => {
    const layer = `layer${stage + 1}`;
    b.module(layer, 'Sequential');
    for (let i = 0; i < depth; i++) {
      const stride = i === 0 && stage > 0 ? 2 : 1;
      x = block(b, config, { path: `${layer}.${i}`, planes: 64 << stage, stride, drop: drops[stage][i] }, x, i === 0);
    }
  });
  x = globalPool(b, 'global_pool.pool', x);
  return classify(b, x, { name, family: 'resnet', input }, options, { linear: 'fc', dropout: 'drop' });
}

export const resnetVariants: readonly Variant[] = Object.entries(CONFIGS).map(([name, config]) => ({
  name,
  family: 'resnet',
  signatures: [['conv1.weight', `layer1.0.${config.block === 'basic' ? 'conv2' : 'conv3'}.weight`, 'fc.weight']],
  build: (options) => build(name, config, options),
}));
