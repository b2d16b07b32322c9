/**
 * ConvNeXt (Liu et al. 2022), with timm's state-dict names. timm's LayerNorm and GELU are classes of its own, which the
 * reference's counter does not know: convolutions, linear layers and the final pooling are counted.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { blockCount, classify, globalPool, mlp, residual, stageRamps } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

interface ConvNeXtConfig {
  readonly depths: readonly number[];
  readonly widths: readonly number[];
  /** Of the norms; 1e-6 by default. */
  readonly eps?: number;
  readonly act?: 'gelu' | 'geluTanh';
  /** timm's toys for its tests. */
  readonly exact?: boolean;
  /** Side of the image; 224 by default. */
  readonly side?: number;
}

const CONFIGS: Readonly<Record<string, ConvNeXtConfig>> = {
  convnext_tiny: { depths: [3, 3, 9, 3], widths: [96, 192, 384, 768] },
  convnext_small: { depths: [3, 3, 27, 3], widths: [96, 192, 384, 768] },
  convnext_base: { depths: [3, 3, 27, 3], widths: [128, 256, 512, 1024] },
  convnext_large: { depths: [3, 3, 27, 3], widths: [192, 384, 768, 1536] },
  convnext_xlarge: { depths: [3, 3, 27, 3], widths: [256, 512, 1024, 2048] },
  convnext_xxlarge: { depths: [3, 4, 30, 3], widths: [384, 768, 1536, 3072], eps: 1e-5, side: 256 },
  test_convnext: { depths: [1, 2, 4, 2], widths: [24, 32, 48, 64], eps: 1e-5, act: 'geluTanh', side: 160, exact: true },
  test_convnext2: {
    depths: [1, 1, 1, 1],
    widths: [32, 64, 96, 128],
    eps: 1e-5,
    act: 'geluTanh',
    side: 160,
    exact: true,
  },
};

const USUAL_EPS = 1e-6;
const MLP_RATIO = 4;
const KERNEL = 7;

/** LayerNorm over the channels of [N, C, H, W]. */
function channelNorm(b: GraphBuilder, path: string, x: ValueId, eps: number): ValueId {
  return b.layerNorm(path, x, { eps, axis: 1, moduleType: 'LayerNorm2d' });
}

/** x + gamma · mlp(norm(depthwise(x))), the MLP over the last dimension of [N, H, W, C]. */
function block(b: GraphBuilder, path: string, x: ValueId, drop: number, config: ConvNeXtConfig): ValueId {
  b.module(path, 'ConvNeXtBlock');
  const { eps = USUAL_EPS, act = 'gelu' } = config;
  const width = b.shape(x)[1];
  const gamma = b.value(`${path}.gamma`, [width]);
  const depthwise = { out: width, kernel: KERNEL, padding: 3, groups: width, bias: true };
  let y = b.conv(`${path}.conv_dw`, x, depthwise);
  y = b.transpose(path, y, [0, 2, 3, 1], 'to_channels_last');
  y = b.layerNorm(`${path}.norm`, y, { eps, counted: false });
  const hidden = b.given(`${path}.mlp.fc1.weight`)?.[0] ?? MLP_RATIO * width;
  y = mlp(b, `${path}.mlp`, y, { hidden, out: width }, false, act);
  y = b.times(path, y, gamma, 'layer_scale');
  y = b.transpose(path, y, [0, 3, 1, 2], 'to_channels_first');
  return residual(b, path, x, y, { path: `${path}.drop_path`, probability: drop });
}

function downsample(b: GraphBuilder, path: string, x: ValueId, out: number, eps: number): ValueId {
  b.module(path, 'Sequential');
  return b.conv(`${path}.1`, channelNorm(b, `${path}.0`, x, eps), { out, kernel: 2, stride: 2, bias: true });
}

function build(name: string, config: ConvNeXtConfig, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const { eps = USUAL_EPS } = config;
  const input = imageNetInput(options.inputSize ?? config.side, { interpolation: 'bicubic' });
  b.module('stem', 'Sequential');
  let x = b.conv('stem.0', b.input(input), { out: config.widths[0], kernel: 4, stride: 4, bias: true });
  x = channelNorm(b, 'stem.1', x, eps);
  // Blocks may have been removed: the rest are numbered anew, and stochastic depth is spread over those left.
  const depths = config.depths.map((usual, stage) =>
    blockCount(options.shapes, 'stem.0.weight', (i) => `stages.${stage}.blocks.${i}.conv_dw.weight`, usual),
  );
  const drops = stageRamps(depths, options.dropPath);
  b.module('stages', 'Sequential');
  depths.forEach((depth, stage) => {
    const path = `stages.${stage}`;
    b.module(path, 'ConvNeXtStage');
    if (stage > 0) x = downsample(b, `${path}.downsample`, x, config.widths[stage], eps);
    b.module(`${path}.blocks`, 'Sequential');
    for (let i = 0; i < depth; i++) x = block(b, `${path}.blocks.${i}`, x, drops[stage][i], config);
  });
  b.module('head', 'NormMlpClassifierHead');
  x = globalPool(b, 'head.global_pool.pool', x);
  x = b.layerNorm('head.norm', x, { eps, moduleType: 'LayerNorm2d' });
  return classify(b, x, { name, family: 'convnext', input }, options, { linear: 'head.fc', dropout: 'head.drop' });
}

export const convNeXtVariants: readonly Variant[] = Object.entries(CONFIGS).map(([name, config]) => ({
  name,
  family: 'convnext',
  ...(config.exact && { exact: true }),
  signatures: [['stem.0.weight', 'head.norm.weight', 'head.fc.weight']],
  build: (options) => build(name, config, options),
}));
