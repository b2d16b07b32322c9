/**
 * EfficientNet-B0 (Tan & Le 2019) and MobileNetV2 as timm builds both: depthwise-separable blocks under
 * `blocks.<stage>.<block>`. The activations live inside BatchNormAct2d, which the reference's counter does not know.
 * A checkpoint with torchvision's names gives torchvision's form.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { buildTorchvisionEfficientNet, isTorchvisionEfficientNet } from './efficientnet-torchvision.ts';
import {
  type BlockPlan,
  blockPlans,
  EFFICIENTNET_B0_STAGES,
  HEAD_WIDTH,
  MOBILENET_V2_STAGES,
  SQUEEZE,
  STEM_WIDTH,
  type StageConfig,
} from './inverted-residuals.ts';
import { batchNormAct, blockCount, classify, globalPool, residual, squeezeExcitation } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

interface EfficientNetConfig {
  readonly stages: readonly StageConfig[];
  readonly act: 'relu6' | 'silu';
  /** Squeezed channels for each channel that enters a block; none without squeeze and excitation. */
  readonly squeeze?: number;
  readonly torchvision: boolean;
}

const CONFIGS: Readonly<Record<string, EfficientNetConfig>> = {
  efficientnet_b0: { stages: EFFICIENTNET_B0_STAGES, act: 'silu', squeeze: SQUEEZE, torchvision: true },
  mobilenetv2_100: { stages: MOBILENET_V2_STAGES, act: 'relu6', torchvision: false },
};

const SE_NAMES = { reduce: 'conv_reduce', act: 'act1', expand: 'conv_expand', gate: 'gate' } as const;

/** expansion (where there is one) → depthwise → squeeze and excitation (where there is one) → projection. */
function block(b: GraphBuilder, config: EfficientNetConfig, plan: BlockPlan, x: ValueId): ValueId {
  const { path, expansion, kernel, stride } = plan;
  const expands = expansion !== 1;
  b.module(path, expands ? 'InvertedResidual' : 'DepthwiseSeparableConv');
  const entering = b.shape(x)[1];
  let bn = 1;
  let y = x;
  if (expands) {
    y = b.conv(`${path}.conv_pw`, y, { out: entering * expansion, kernel: 1 });
    y = batchNormAct(b, `${path}.bn${bn++}`, y, config.act);
  }
  const hidden = b.shape(y)[1];
  const depthwise = { out: hidden, kernel, stride, padding: Math.floor(kernel / 2), groups: hidden };
  y = batchNormAct(b, `${path}.bn${bn++}`, b.conv(`${path}.conv_dw`, y, depthwise), config.act);
  if (config.squeeze) {
    const reduced = Math.round(entering * config.squeeze);
    y = squeezeExcitation(b, `${path}.se`, y, { type: 'SqueezeExcite', reduced, names: SE_NAMES, act: config.act });
  }
  y = b.conv(`${path}.${expands ? 'conv_pwl' : 'conv_pw'}`, y, { out: plan.width, kernel: 1 });
  y = batchNormAct(b, `${path}.bn${bn}`, y);
  return plan.adds ? residual(b, path, x, y, { path: `${path}.drop_path`, probability: plan.drop }) : y;
}

function build(name: string, config: EfficientNetConfig, options: BuildOptions = {}): Graph {
  if (config.torchvision && isTorchvisionEfficientNet(options)) return buildTorchvisionEfficientNet(name, options);
  const b = new GraphBuilder(options.shapes, options.revise);
  const input = imageNetInput(options.inputSize, { interpolation: 'bicubic' });
  let x = b.conv('conv_stem', b.input(input), { out: STEM_WIDTH, kernel: 3, stride: 2, padding: 1 });
  x = batchNormAct(b, 'bn1', x, config.act);
  b.module('blocks', 'Sequential');
  config.stages.forEach((_, s) => {
    b.module(`blocks.${s}`, 'Sequential');
  });
  const depthOf = (s: number): number =>
    blockCount(options.shapes, 'conv_stem.weight', (i) => `blocks.${s}.${i}.conv_dw.weight`, config.stages[s].depth);
  for (const plan of blockPlans(config.stages, (s, i) => `blocks.${s}.${i}`, depthOf, options.dropPath))
    x = block(b, config, plan, x);
  x = batchNormAct(b, 'bn2', b.conv('conv_head', x, { out: HEAD_WIDTH, kernel: 1 }), config.act);
  x = globalPool(b, 'global_pool.pool', x);
  return classify(b, x, { name, family: 'efficientnet', input }, options, { linear: 'classifier', dropout: 'drop' });
}

export const efficientNetVariants: readonly Variant[] = Object.entries(CONFIGS).map(([name, config]) => ({
  name,
  family: 'efficientnet',
  signatures: [
    ['conv_stem.weight', 'blocks.0.0.conv_dw.weight'],
    ...(config.torchvision ? [['features.0.0.weight', 'features.1.0.block.0.0.weight']] : []),
  ],
  build: (options) => build(name, config, options),
}));
