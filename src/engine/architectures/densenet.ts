/**
 * DenseNet (Huang et al. 2017). State-dict names are the same in timm and torchvision, modules are not: timm's BatchNormAct2d the
 * reference's counter does not know, so that its norms are not counted; torchvision's last activation and pooling are function calls.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { activationModule, batchNormAct, blockCount, classify, globalPool } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

interface DenseNetConfig {
  readonly depths: readonly number[];
  /** New channels of each layer. */
  readonly growth: number;
  readonly stem: number;
}

const CONFIGS: Readonly<Record<string, DenseNetConfig>> = {
  densenet121: { depths: [6, 12, 24, 16], growth: 32, stem: 64 },
  densenet161: { depths: [6, 12, 36, 24], growth: 48, stem: 96 },
  densenet169: { depths: [6, 12, 32, 32], growth: 32, stem: 64 },
  densenet201: { depths: [6, 12, 48, 32], growth: 32, stem: 64 },
};
/** Channels of a layer's 1 × 1 convolution for each new channel. */
const BOTTLENECK = 4;

/** Batch norm and ReLU, `relu` beside `norm` where they are two modules. */
function normAct(b: GraphBuilder, torchvision: boolean, path: string, x: ValueId): ValueId {
  if (!torchvision) return batchNormAct(b, path, x, 'relu');
  return activationModule(b, path.replace(/norm(\d?)$/, 'relu$1'), b.batchNorm(path, x), 'relu');
}

/** The input and `growth` new channels computed from it, side by side. */
function denseLayer(b: GraphBuilder, torchvision: boolean, path: string, x: ValueId, growth: number): ValueId {
  b.module(path, torchvision ? '_DenseLayer' : 'DenseLayer');
  let y = normAct(b, torchvision, `${path}.norm1`, x);
  y = b.conv(`${path}.conv1`, y, { out: BOTTLENECK * growth, kernel: 1 });
  y = normAct(b, torchvision, `${path}.norm2`, y);
  y = b.conv(`${path}.conv2`, y, { out: growth, kernel: 3, padding: 1 });
  return b.concat(path, [x, y], 1);
}

/** Half the channels and half the side. */
function transition(b: GraphBuilder, torchvision: boolean, path: string, x: ValueId): ValueId {
  b.module(path, torchvision ? '_Transition' : 'DenseTransition');
  const y = normAct(b, torchvision, `${path}.norm`, x);
  const narrowed = b.conv(`${path}.conv`, y, { out: b.shape(x)[1] >> 1, kernel: 1 });
  return b.averagePool(`${path}.pool`, narrowed, 2, 2);
}

/** torchvision's last norm, and the function calls behind it, which no counter sees. */
function functionsAfter(b: GraphBuilder, x: ValueId): ValueId {
  const y = b.activation('', b.batchNorm('features.norm5', x), 'relu', { suffix: 'relu' });
  return b.mean('', y, [2, 3], false, { suffix: 'pool' });
}

function build(name: string, { depths: usual, growth, stem }: DenseNetConfig, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const { torchvision = false } = options;
  const input = imageNetInput(options.inputSize, { interpolation: torchvision ? 'bilinear' : 'bicubic' });
  b.module('features', 'Sequential');
  let x = b.conv('features.conv0', b.input(input), { out: stem, kernel: 7, stride: 2, padding: 3 });
  x = b.maxPool('features.pool0', normAct(b, torchvision, 'features.norm0', x), 3, 2, 1);
  usual.forEach((depth, i) => {
    const path = `features.denseblock${i + 1}`;
    b.module(path, torchvision ? '_DenseBlock' : 'DenseBlock');
    const layer = (n: number): string => `${path}.denselayer${n + 1}`;
    const count = blockCount(options.shapes, 'features.conv0.weight', (n) => `${layer(n)}.conv1.weight`, depth);
    for (let n = 0; n < count; n++) x = denseLayer(b, torchvision, layer(n), x, growth);
    if (i < usual.length - 1) x = transition(b, torchvision, `features.transition${i + 1}`, x);
  });
  x = torchvision
    ? functionsAfter(b, x)
    : globalPool(b, 'global_pool.pool', batchNormAct(b, 'features.norm5', x, 'relu'));
  return classify(b, x, { name, family: 'densenet', input }, options, { linear: 'classifier', dropout: 'head_drop' });
}

export const denseNetVariants: readonly Variant[] = Object.entries(CONFIGS).map(([name, config]) => ({
  name,
  family: 'densenet',
  signatures: [['features.conv0.weight', 'features.norm5.weight']],
  build: (options) => build(name, config, options),
}));
