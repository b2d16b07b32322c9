/** MobileNetV2 (Sandler et al. 2018) with torchvision's state-dict names. timm's `mobilenetv2_100` is in efficientnet.ts. */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { type BlockPlan, blockPlans, HEAD_WIDTH, MOBILENET_V2_STAGES, STEM_WIDTH } from './inverted-residuals.ts';
import { activationModule, classify, residual } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

/** Convolution, batch norm and ReLU6: entries 0, 1 and 2 of a sequential module. */
function convNormReLU6(
  b: GraphBuilder,
  path: string,
  x: ValueId,
  conv: { out: number; kernel: number; stride?: number; groups?: number },
): ValueId {
  b.module(path, 'Conv2dNormActivation');
  const y = b.conv(`${path}.0`, x, { ...conv, padding: Math.floor(conv.kernel / 2) });
  return activationModule(b, `${path}.2`, b.batchNorm(`${path}.1`, y), 'relu6');
}

function block(b: GraphBuilder, plan: BlockPlan, x: ValueId): ValueId {
  const { path, expansion, stride } = plan;
  b.module(path, 'InvertedResidual');
  b.module(`${path}.conv`, 'Sequential');
  let y = x;
  let index = 0;
  if (expansion !== 1)
    y = convNormReLU6(b, `${path}.conv.${index++}`, y, { out: b.shape(x)[1] * expansion, kernel: 1 });
  const hidden = b.shape(y)[1];
  y = convNormReLU6(b, `${path}.conv.${index++}`, y, { out: hidden, kernel: 3, stride, groups: hidden });
  y = b.conv(`${path}.conv.${index++}`, y, { out: plan.width, kernel: 1 });
  y = b.batchNorm(`${path}.conv.${index}`, y);
  return plan.adds ? residual(b, path, x, y, { path: `${path}.drop_path`, probability: plan.drop }) : y;
}

function build(name: string, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const input = imageNetInput(options.inputSize);
  b.module('features', 'Sequential');
  let x = convNormReLU6(b, 'features.0', b.input(input), { out: STEM_WIDTH, kernel: 3, stride: 2 });
  // Blocks are numbered through all stages.
  let count = 0;
  const next = (): string => `features.${++count}`;
  const blocks = blockPlans(MOBILENET_V2_STAGES, next, (s) => MOBILENET_V2_STAGES[s].depth, options.dropPath);
  for (const plan of blocks) x = block(b, plan, x);
  x = convNormReLU6(b, `features.${blocks.length + 1}`, x, { out: HEAD_WIDTH, kernel: 1 });
  x = b.mean('', x, [2, 3], false, { suffix: 'pool' });
  b.module('classifier', 'Sequential');
  const head = { linear: 'classifier.1', dropout: 'classifier.0', usualDropout: 0.2 };
  return classify(b, x, { name, family: 'mobilenet', input }, options, head);
}

export const mobileNetVariants: readonly Variant[] = [
  {
    name: 'mobilenet_v2',
    family: 'mobilenet',
    signatures: [['features.0.0.weight', 'features.1.conv.0.0.weight']],
    build: (options) => build('mobilenet_v2', options),
  },
];
