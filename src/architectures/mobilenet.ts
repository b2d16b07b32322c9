/** MobileNetV2 (Sandler et al. 2018) with torchvision's state-dict names. timm's `mobilenetv2_100` is in efficientnet.ts. */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { activationModule, depthRamp, dropout, residual } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

interface StageConfig {
  /** Hidden channels for each input channel of a block. */
  readonly expansion: number;
  readonly width: number;
  readonly depth: number;
  readonly stride: number;
}

const STAGES: readonly StageConfig[] = [
  { expansion: 1, width: 16, depth: 1, stride: 1 },
  { expansion: 6, width: 24, depth: 2, stride: 2 },
  { expansion: 6, width: 32, depth: 3, stride: 2 },
  { expansion: 6, width: 64, depth: 4, stride: 2 },
  { expansion: 6, width: 96, depth: 3, stride: 1 },
  { expansion: 6, width: 160, depth: 3, stride: 2 },
  { expansion: 6, width: 320, depth: 1, stride: 1 },
];
const STEM_WIDTH = 32;
const HEAD_WIDTH = 1280;

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

interface BlockPlan extends Omit<StageConfig, 'depth'> {
  readonly path: string;
  readonly drop: number;
  /** Whether the block adds its input: by the unpruned widths, which pruning keeps equal. */
  readonly adds: boolean;
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

function plans(dropPath = 0): BlockPlan[] {
  let width = STEM_WIDTH;
  const list = STAGES.flatMap((stage) =>
    Array.from({ length: stage.depth }, (_, i) => {
      const stride = i === 0 ? stage.stride : 1;
      const adds = stride === 1 && width === stage.width;
      width = stage.width;
      return { expansion: stage.expansion, width, stride, adds };
    }),
  );
  const drops = depthRamp(list.length, dropPath);
  return list.map((plan, i) => ({ ...plan, path: `features.${i + 1}`, drop: drops[i] }));
}

function build(name: string, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes);
  const input = imageNetInput(options.inputSize);
  b.module('features', 'Sequential');
  let x = convNormReLU6(b, 'features.0', b.input(input), { out: STEM_WIDTH, kernel: 3, stride: 2 });
  const blocks = plans(options.dropPath);
  for (const plan of blocks) x = block(b, plan, x);
  x = convNormReLU6(b, `features.${blocks.length + 1}`, x, { out: HEAD_WIDTH, kernel: 1 });
  x = b.mean('', x, [2, 3], false, { suffix: 'pool' });
  b.module('classifier', 'Sequential');
  x = dropout(b, 'classifier.0', x, options.dropout ?? 0.2);
  const classes = options.shapes?.('classifier.1.weight')?.[0] ?? options.classes ?? 1000;
  return b.finish({ name, family: 'mobilenet', input, classes }, b.linear('classifier.1', x, classes));
}

export const mobileNetVariants: readonly Variant[] = [
  { name: 'mobilenet_v2', family: 'mobilenet', build: (options) => build('mobilenet_v2', options) },
];
