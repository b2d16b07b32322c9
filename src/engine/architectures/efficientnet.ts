/**
 * EfficientNet (Tan & Le 2019), its lite and tiny relatives and MobileNetV2 as timm builds them: depthwise-separable blocks
 * under `blocks.<stage>.<block>`. The activations live inside BatchNormAct2d, which the reference's counter does not know.
 * A checkpoint with torchvision's names gives torchvision's form.
 */

import type { ActivationFunction } from '../graph/activations.ts';
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { buildTorchvisionEfficientNet, isTorchvisionEfficientNet } from './efficientnet-torchvision.ts';
import { EFFICIENTNETS, type EfficientNetConfig } from './efficientnet-variants.ts';
import { type BlockPlan, blockPlans, HEAD_WIDTH, STEM_WIDTH, scaledStages, scaledWidth } from './inverted-residuals.ts';
import { batchNormAct, blockCount, blurPool, classify, globalPool, residual, squeezeExcitation } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

/** Of the batch norms of networks that were trained with TensorFlow. */
const TENSORFLOW_EPS = 1e-3;

const SE_NAMES = { reduce: 'conv_reduce', act: 'act1', expand: 'conv_expand', gate: 'gate' } as const;

/** Padding of a convolution, and eps of the norms. */
const paddingOf = ({ tensorFlow }: EfficientNetConfig, kernel: number): number | 'same' =>
  tensorFlow ? 'same' : Math.floor(kernel / 2);
const norm = (
  b: GraphBuilder,
  { tensorFlow }: EfficientNetConfig,
  path: string,
  x: ValueId,
  act?: ActivationFunction,
) => batchNormAct(b, path, x, act, tensorFlow ? TENSORFLOW_EPS : undefined);

/** A depthwise convolution with its norm; a blur takes its stride where the network has such. */
function depthwise(
  b: GraphBuilder,
  config: EfficientNetConfig,
  { path, kernel, stride }: BlockPlan,
  x: ValueId,
  bn: number,
): ValueId {
  const hidden = b.shape(x)[1];
  const blurs = config.blurs && stride > 1;
  const conv = { out: hidden, kernel, stride: blurs ? 1 : stride, padding: paddingOf(config, kernel), groups: hidden };
  const y = norm(b, config, `${path}.bn${bn}`, b.conv(`${path}.conv_dw`, x, conv), config.act);
  return blurs ? blurPool(b, `${path}.aa`, y, 'zeros') : y;
}

/** expansion (where there is one) → depthwise → squeeze and excitation (where there is one) → projection. */
function block(b: GraphBuilder, config: EfficientNetConfig, plan: BlockPlan, x: ValueId): ValueId {
  const { path, expansion } = plan;
  const expands = expansion !== 1;
  b.module(path, expands ? 'InvertedResidual' : 'DepthwiseSeparableConv');
  const entering = b.shape(x)[1];
  let bn = 1;
  let y = x;
  if (expands) {
    y = b.conv(`${path}.conv_pw`, y, { out: entering * expansion, kernel: 1 });
    y = norm(b, config, `${path}.bn${bn++}`, y, config.act);
  }
  y = depthwise(b, config, plan, y, bn++);
  if (config.squeeze) {
    const reduced = Math.round(entering * config.squeeze);
    y = squeezeExcitation(b, `${path}.se`, y, { type: 'SqueezeExcite', reduced, names: SE_NAMES, act: config.act });
  }
  y = b.conv(`${path}.${expands ? 'conv_pwl' : 'conv_pw'}`, y, { out: plan.width, kernel: 1 });
  y = norm(b, config, `${path}.bn${bn}`, y);
  return plan.adds ? residual(b, path, x, y, { path: `${path}.drop_path`, probability: plan.drop }) : y;
}

function build(name: string, config: EfficientNetConfig, options: BuildOptions = {}): Graph {
  if (config.torchvision && isTorchvisionEfficientNet(options))
    return buildTorchvisionEfficientNet(name, config, config.torchvision, options);
  const b = new GraphBuilder(options.shapes, options.revise);
  const input = imageNetInput(options.inputSize ?? config.side, { interpolation: 'bicubic' });
  const fixed = config.fixedStem || config.fixedEnds ? 1 : config.width;
  const stem = scaledWidth(STEM_WIDTH, fixed);
  const conv = { out: stem, kernel: 3, stride: 2, padding: paddingOf(config, 3) };
  let x = norm(b, config, 'bn1', b.conv('conv_stem', b.input(input), conv), config.act);
  b.module('blocks', 'Sequential');
  const stages = scaledStages(config.stages, config);
  stages.forEach((_, s) => {
    b.module(`blocks.${s}`, 'Sequential');
  });
  const depthOf = (s: number): number =>
    blockCount(options.shapes, 'conv_stem.weight', (i) => `blocks.${s}.${i}.conv_dw.weight`, stages[s].depth);
  for (const plan of blockPlans(stages, (s, i) => `blocks.${s}.${i}`, depthOf, options.dropPath, stem))
    x = block(b, config, plan, x);
  const head = Math.max(config.leastHead ?? 0, scaledWidth(HEAD_WIDTH, config.leastHead ? config.width : fixed));
  x = norm(
    b,
    config,
    'bn2',
    b.conv('conv_head', x, { out: config.fixedEnds ? HEAD_WIDTH : head, kernel: 1 }),
    config.act,
  );
  x = globalPool(b, 'global_pool.pool', x);
  return classify(b, x, { name, family: 'efficientnet', input }, options, { linear: 'classifier', dropout: 'drop' });
}

export const efficientNetVariants: readonly Variant[] = EFFICIENTNETS.map(([name, config]) => ({
  name,
  family: 'efficientnet',
  signatures: [
    ['conv_stem.weight', 'blocks.0.0.conv_dw.weight'],
    ...(config.torchvision ? [['features.0.0.weight', 'features.1.0.block.0.0.weight']] : []),
  ],
  build: (options) => build(name, config, options),
}));
