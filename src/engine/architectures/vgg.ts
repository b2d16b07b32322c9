/**
 * VGG (Simonyan & Zisserman 2015), with and without batch norm. The names are torchvision's (`classifier.0/3/6`), or
 * timm's (`pre_logits.fc1/fc2`, `head.fc`, as convolutions) where a checkpoint has these.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { adaptiveAveragePool } from './adaptive-pool.ts';
import { activationModule, dropout, globalPool } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

/** Convolutions of each of the five stages. */
const DEPTHS = {
  vgg11: [1, 1, 2, 2, 2],
  vgg13: [2, 2, 2, 2, 2],
  vgg16: [2, 2, 3, 3, 3],
  vgg19: [2, 2, 4, 4, 4],
} as const;
const WIDTHS = [64, 128, 256, 512, 512];
const HIDDEN = 4096;
/** Side of the features that the first linear layer takes. */
const SIDE = 7;

interface VggConfig {
  readonly depths: readonly number[];
  readonly batchNorm: boolean;
}

function features(b: GraphBuilder, x: ValueId, config: VggConfig): ValueId {
  b.module('features', 'Sequential');
  let index = 0;
  const next = (): string => `features.${index++}`;
  let y = x;
  config.depths.forEach((depth, stage) => {
    for (let i = 0; i < depth; i++) {
      y = b.conv(next(), y, { out: WIDTHS[stage], kernel: 3, padding: 1, bias: true });
      if (config.batchNorm) y = b.batchNorm(next(), y);
      y = activationModule(b, next(), y, 'relu');
    }
    y = b.maxPool(next(), y, 2, 2, 0);
  });
  return y;
}

/** torchvision: pooled to 7 × 7, flattened, three linear layers. */
function torchvisionHead(b: GraphBuilder, x: ValueId, classes: number, drop = 0.5): ValueId {
  const pooled = adaptiveAveragePool(b, 'avgpool', x, SIDE, { moduleType: 'AdaptiveAvgPool2d' });
  const flat = b.reshape('', pooled, [-1, b.shape(pooled)[1] * SIDE * SIDE], 'flatten');
  b.module('classifier', 'Sequential');
  let y = activationModule(b, 'classifier.1', b.linear('classifier.0', flat, HIDDEN), 'relu');
  y = dropout(b, 'classifier.2', y, drop);
  y = activationModule(b, 'classifier.4', b.linear('classifier.3', y, HIDDEN), 'relu');
  return b.linear('classifier.6', dropout(b, 'classifier.5', y, drop), classes);
}

/** timm: the first two as convolutions over the image, then pooling. */
function timmHead(b: GraphBuilder, x: ValueId, classes: number, drop = 0): ValueId {
  b.module('pre_logits', 'ConvMlp');
  const [, , height, width] = b.shape(x);
  const enough = height >= SIDE && width >= SIDE;
  const large = enough ? x : adaptiveAveragePool(b, 'pre_logits', x, SIDE, { suffix: 'pool' });
  let y = b.conv('pre_logits.fc1', large, { out: HIDDEN, kernel: SIDE, bias: true });
  y = dropout(b, 'pre_logits.drop', activationModule(b, 'pre_logits.act1', y, 'relu'), drop);
  y = b.conv('pre_logits.fc2', y, { out: HIDDEN, kernel: 1, bias: true });
  y = activationModule(b, 'pre_logits.act2', y, 'relu');
  b.module('head', 'ClassifierHead');
  return b.linear('head.fc', dropout(b, 'head.drop', globalPool(b, 'head.global_pool.pool', y), drop), classes);
}

function build(name: string, config: VggConfig, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const input = imageNetInput(options.inputSize);
  const x = features(b, b.input(input), config);
  const timm = options.shapes?.('pre_logits.fc1.weight') !== undefined;
  const last = options.shapes?.(timm ? 'head.fc.weight' : 'classifier.6.weight');
  const classes = last?.[0] ?? options.classes ?? 1000;
  const logits = (timm ? timmHead : torchvisionHead)(b, x, classes, options.dropout);
  return b.finish({ name, family: 'vgg', input, classes }, logits);
}

export const vggVariants: readonly Variant[] = Object.entries(DEPTHS).flatMap(([plain, depths]) =>
  [false, true].map((batchNorm) => {
    const name = batchNorm ? `${plain}_bn` : plain;
    const signatures = [
      ['features.0.weight', 'classifier.6.weight'],
      ['features.0.weight', 'pre_logits.fc1.weight'],
    ];
    return {
      name,
      family: 'vgg',
      signatures,
      build: (options) => build(name, { depths, batchNorm }, options),
    } satisfies Variant;
  }),
);
