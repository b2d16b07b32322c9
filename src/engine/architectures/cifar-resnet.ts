/**
 * ResNet-20 … 110 for 32 × 32 images (He et al. 2015, section 4.2), with the parameter-free shortcut "option A":
 * every second pixel, zero channels on both sides. Its ReLU and pooling are function calls, so the counter misses them.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { blockCount } from './layers.ts';
import { type BuildOptions, IMAGENET_MEAN, IMAGENET_STD, type Variant } from './variant.ts';

const DEPTHS = [20, 32, 44, 56, 110] as const;

function shortcut(b: GraphBuilder, path: string, x: ValueId, planes: number): ValueId {
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

function block(b: GraphBuilder, path: string, x: ValueId, planes: number, stride: number): ValueId {
  b.module(path, 'BasicBlock');
  let y = b.batchNorm(`${path}.bn1`, b.conv(`${path}.conv1`, x, { out: planes, kernel: 3, stride, padding: 1 }));
  y = b.activation(path, y, 'relu', { suffix: 'relu1' });
  y = b.batchNorm(`${path}.bn2`, b.conv(`${path}.conv2`, y, { out: planes, kernel: 3, padding: 1 }));
  const identity = stride === 1 ? x : shortcut(b, path, x, b.shape(y)[1]);
  return b.activation(path, b.plus(path, y, identity), 'relu', { suffix: 'relu2' });
}

function build(name: string, depth: number, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes);
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
  x = b.batchNorm('bn1', b.conv('conv1', x, { out: 16, kernel: 3, padding: 1 }));
  x = b.activation('', x, 'relu', { suffix: 'relu' });
  for (let stage = 0; stage < 3; stage++) {
    b.module(`layer${stage + 1}`, 'Sequential');
    const probe = (i: number): string => `layer${stage + 1}.${i}.conv1.weight`;
    const blocks = blockCount(options.shapes, 'conv1.weight', probe, (depth - 2) / 6);
    for (let i = 0; i < blocks; i++)
      x = block(b, `layer${stage + 1}.${i}`, x, 16 << stage, i === 0 && stage > 0 ? 2 : 1);
  }
  x = b.mean('', x, [2, 3], false, { suffix: 'pool' });
  const classes = options.shapes?.('linear.weight')?.[0] ?? options.classes ?? 10;
  const logits = b.linear('linear', x, classes);
  return b.finish({ name, family: 'cifar-resnet', input, classes }, logits);
}

export const cifarResnetVariants: readonly Variant[] = DEPTHS.map((depth) => ({
  name: `resnet${depth}`,
  family: 'cifar-resnet',
  signatures: [['conv1.weight', 'layer1.0.conv1.weight', 'linear.weight']],
  build: (options) => build(`resnet${depth}`, depth, options),
}));
