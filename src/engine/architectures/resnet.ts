/**
 * ResNet, wide ResNet, ResNeXt and SE-ResNet (He et al. 2015; Xie et al. 2016; Hu et al. 2018), with timm's and torchvision's
 * state-dict names; and timm's that average or blur instead of stepping, whose tensors are the same.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import {
  activationModule,
  blockCount,
  blurPool,
  classify,
  globalPool,
  residual,
  squeezeExcitation,
  stageRamps,
} from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

interface ResNetConfig {
  readonly block: 'basic' | 'bottleneck';
  readonly layers: readonly [number, number, number, number];
  readonly groups?: number;
  /** Width of one group's inner convolution at 64 planes. */
  readonly groupWidth?: number;
  /** Squeeze and excitation at the end of every branch. */
  readonly squeezes?: boolean;
  /** What halves the image in place of strides. */
  readonly antialias?: 'average' | 'blur';
}

const EXPANSION = { basic: 1, bottleneck: 4 } as const;

const DEPTHS = {
  18: { block: 'basic', layers: [2, 2, 2, 2] },
  34: { block: 'basic', layers: [3, 4, 6, 3] },
  26: { block: 'bottleneck', layers: [2, 2, 2, 2] },
  50: { block: 'bottleneck', layers: [3, 4, 6, 3] },
  101: { block: 'bottleneck', layers: [3, 4, 23, 3] },
  152: { block: 'bottleneck', layers: [3, 8, 36, 3] },
} as const satisfies Record<number, ResNetConfig>;

const grouped = (groups: number, groupWidth: number) => ({ groups, groupWidth });
const squeezes = true;

const CONFIGS: Readonly<Record<string, ResNetConfig>> = {
  resnet18: DEPTHS[18],
  resnet34: DEPTHS[34],
  resnet26: DEPTHS[26],
  resnet50: DEPTHS[50],
  resnet101: DEPTHS[101],
  resnet152: DEPTHS[152],
  wide_resnet50_2: { ...DEPTHS[50], groupWidth: 128 },
  wide_resnet101_2: { ...DEPTHS[101], groupWidth: 128 },
  resnext50_32x4d: { ...DEPTHS[50], ...grouped(32, 4) },
  resnext101_32x4d: { ...DEPTHS[101], ...grouped(32, 4) },
  resnext101_32x8d: { ...DEPTHS[101], ...grouped(32, 8) },
  resnext101_32x16d: { ...DEPTHS[101], ...grouped(32, 16) },
  resnext101_32x32d: { ...DEPTHS[101], ...grouped(32, 32) },
  resnext101_64x4d: { ...DEPTHS[101], ...grouped(64, 4) },
  seresnet18: { ...DEPTHS[18], squeezes },
  seresnet34: { ...DEPTHS[34], squeezes },
  seresnet50: { ...DEPTHS[50], squeezes },
  seresnet101: { ...DEPTHS[101], squeezes },
  seresnet152: { ...DEPTHS[152], squeezes },
  seresnext50_32x4d: { ...DEPTHS[50], ...grouped(32, 4), squeezes },
  seresnext101_32x4d: { ...DEPTHS[101], ...grouped(32, 4), squeezes },
  seresnext101_32x8d: { ...DEPTHS[101], ...grouped(32, 8), squeezes },
  seresnext101_64x4d: { ...DEPTHS[101], ...grouped(64, 4), squeezes },
  resnetaa50: { ...DEPTHS[50], antialias: 'average' },
  resnetblur18: { ...DEPTHS[18], antialias: 'blur' },
  resnetblur50: { ...DEPTHS[50], antialias: 'blur' },
};

const SE_NAMES = { reduce: 'fc1', act: 'act', expand: 'fc2', gate: 'gate' } as const;
/** Channels for each squeezed one, which are a multiple of 8. */
const SE_RATIO = 16;
const SE_STEP = 8;

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

/** Half the image, where a stride of `stride` was left to this. */
function antialiased(b: GraphBuilder, config: ResNetConfig, path: string, x: ValueId, stride: number): ValueId {
  if (!config.antialias || stride === 1) return x;
  return config.antialias === 'blur' ? blurPool(b, path, x, 'reflect') : b.averagePool(path, x, 2, 2);
}

function squeezed(b: GraphBuilder, config: ResNetConfig, path: string, x: ValueId): ValueId {
  if (!config.squeezes) return x;
  const exact = b.shape(x)[1] / SE_RATIO;
  const reduced = Math.max(SE_STEP, Math.floor((exact + SE_STEP / 2) / SE_STEP) * SE_STEP);
  return squeezeExcitation(b, path, x, { type: 'SEModule', reduced, names: SE_NAMES, act: 'relu' });
}

function residualBranch(
  b: GraphBuilder,
  config: ResNetConfig,
  { path, planes, stride }: BlockPlan,
  x: ValueId,
): ValueId {
  const step = config.antialias ? 1 : stride;
  const halved = (y: ValueId): ValueId => antialiased(b, config, `${path}.aa`, y, stride);
  if (config.block === 'basic') {
    const y = halved(convNorm(b, path, 1, x, { out: planes, kernel: 3, stride: step }, true));
    return squeezed(b, config, `${path}.se`, convNorm(b, path, 2, y, { out: planes, kernel: 3 }, false));
  }
  const { groups = 1, groupWidth = 64 } = config;
  const width = Math.floor((planes * groupWidth) / 64) * groups;
  const y = convNorm(b, path, 1, x, { out: width, kernel: 1 }, true);
  const z = halved(convNorm(b, path, 2, y, { out: width, kernel: 3, stride: step, groups }, true));
  const out = convNorm(b, path, 3, z, { out: planes * EXPANSION.bottleneck, kernel: 1 }, false);
  return squeezed(b, config, `${path}.se`, out);
}

function stemPool(b: GraphBuilder, { antialias }: ResNetConfig, x: ValueId): ValueId {
  if (antialias === 'average') return b.averagePool('maxpool', x, 2, 2);
  if (!antialias) return b.maxPool('maxpool', x, 3, 2, 1);
  b.module('maxpool', 'Sequential');
  return blurPool(b, 'maxpool.1', b.maxPool('maxpool.0', x, 3, 1, 1), 'reflect');
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
  x = stemPool(b, config, x);
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
