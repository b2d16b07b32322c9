/** EfficientNet with torchvision's state-dict names: `features.<stage>.<block>.block.<layer>`. */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import type { EfficientNetConfig } from './efficientnet-variants.ts';
import { type BlockPlan, blockPlans, SQUEEZE, STEM_WIDTH, scaledStages, scaledWidth } from './inverted-residuals.ts';
import { activationModule, blockCount, classify, globalPool, residual, squeezeExcitation } from './layers.ts';
import { type BuildOptions, imageNetInput } from './variant.ts';

const SE_NAMES = { reduce: 'fc1', act: 'activation', expand: 'fc2', gate: 'scale_activation' } as const;

export function isTorchvisionEfficientNet(options: BuildOptions): boolean {
  // A checkpoint's names say which form it has, whatever was asked for.
  return options.shapes ? options.shapes('features.0.0.weight') !== undefined : (options.torchvision ?? false);
}

function convNorm(
  b: GraphBuilder,
  path: string,
  x: ValueId,
  conv: { out: number; kernel: number; stride?: number; groups?: number },
  eps: number,
  act = true,
): ValueId {
  b.module(path, 'Conv2dNormActivation');
  const y = b.batchNorm(`${path}.1`, b.conv(`${path}.0`, x, { ...conv, padding: Math.floor(conv.kernel / 2) }), {
    eps,
  });
  return act ? activationModule(b, `${path}.2`, y, 'silu') : y;
}

function block(b: GraphBuilder, plan: BlockPlan, x: ValueId, eps: number): ValueId {
  const { path, expansion, kernel, stride, width } = plan;
  b.module(path, 'MBConv');
  b.module(`${path}.block`, 'Sequential');
  const entering = b.shape(x)[1];
  let layer = 0;
  const next = (): string => `${path}.block.${layer++}`;
  let y = expansion === 1 ? x : convNorm(b, next(), x, { out: entering * expansion, kernel: 1 }, eps);
  const hidden = b.shape(y)[1];
  y = convNorm(b, next(), y, { out: hidden, kernel, stride, groups: hidden }, eps);
  const reduced = Math.round(entering * SQUEEZE);
  const squeeze = { type: 'SqueezeExcitation', reduced, names: SE_NAMES, act: 'silu', pool: 'avgpool' } as const;
  y = squeezeExcitation(b, next(), y, squeeze);
  y = convNorm(b, next(), y, { out: width, kernel: 1 }, eps, false);
  return plan.adds ? residual(b, path, x, y, { path: `${path}.stochastic_depth`, probability: plan.drop }) : y;
}

/** Output channels of the last convolution for each that enters it. */
const HEAD_RATIO = 4;

export function buildTorchvisionEfficientNet(
  name: string,
  config: EfficientNetConfig,
  { eps, dropout, side }: NonNullable<EfficientNetConfig['torchvision']>,
  options: BuildOptions,
): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const input = imageNetInput(options.inputSize ?? side, { interpolation: 'bicubic' });
  const stem = scaledWidth(STEM_WIDTH, config.width);
  b.module('features', 'Sequential');
  let x = convNorm(b, 'features.0', b.input(input), { out: stem, kernel: 3, stride: 2 }, eps);
  const stages = scaledStages(config.stages, config);
  const path = (s: number, i: number): string => `features.${s + 1}.${i}`;
  const depthOf = (s: number): number =>
    blockCount(options.shapes, 'features.0.0.weight', (i) => `${path(s, i)}.block.0.0.weight`, stages[s].depth);
  stages.forEach((_, s) => {
    b.module(`features.${s + 1}`, 'Sequential');
  });
  for (const plan of blockPlans(stages, path, depthOf, options.dropPath, stem)) x = block(b, plan, x, eps);
  const last = stages[stages.length - 1].width;
  x = convNorm(b, `features.${stages.length + 1}`, x, { out: HEAD_RATIO * last, kernel: 1 }, eps);
  x = globalPool(b, 'avgpool', x);
  b.module('classifier', 'Sequential');
  const head = { linear: 'classifier.1', dropout: 'classifier.0', usualDropout: dropout };
  return classify(b, x, { name, family: 'efficientnet', input }, options, head);
}
