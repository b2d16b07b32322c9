/**
 * Vision transformers: ViT (Dosovitskiy et al. 2021) and DeiT (Touvron et al. 2021) with and without distillation token,
 * with timm's state-dict names. A distilled DeiT has two heads: their mean in evaluation, both in training.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, InputConfig, ValueId } from '../graph/graph.ts';
import { likelyHeads, selfAttention } from './attention.ts';
import { blockCount, depthRamp, dropout, mlp, residual } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

interface VisionTransformerConfig {
  readonly width: number;
  readonly heads: number;
  readonly distilled?: boolean;
  /** Mean and std ½ instead of ImageNet's: the ViTs of the original authors. */
  readonly halfNorm?: boolean;
}

const DEPTH = 12;
const PATCH = 16;
const HEAD_DIM = 64;
const MLP_RATIO = 4;

const SIZES = {
  tiny: { width: 192, heads: 3 },
  small: { width: 384, heads: 6 },
  base: { width: 768, heads: 12 },
} as const;

function configs(): [string, VisionTransformerConfig][] {
  return Object.entries(SIZES).flatMap(([size, config]): [string, VisionTransformerConfig][] => [
    [`deit_${size}_distilled_patch16_224`, { ...config, distilled: true }],
    [`deit_${size}_patch16_224`, config],
    [`vit_${size}_patch16_224`, { ...config, halfNorm: true }],
  ]);
}

/** Image side and patch size: as asked for, else as a square grid of the checkpoint's position embedding, else 224. */
function geometry(prefix: number, options: BuildOptions): { side: number; patch: number } {
  const patch = options.shapes?.('patch_embed.proj.weight')?.[2] ?? PATCH;
  const tokens = options.shapes?.('pos_embed')?.[1];
  const grid = tokens === undefined ? 224 / PATCH : Math.sqrt(tokens - prefix);
  return { side: options.inputSize ?? (Number.isInteger(grid) ? grid * patch : 224), patch };
}

function inputConfig(side: number, config: VisionTransformerConfig): InputConfig {
  const half = [0.5, 0.5, 0.5] as const;
  return imageNetInput(side, {
    interpolation: 'bicubic',
    ...(config.halfNorm && { mean: half, std: half }),
  });
}

/** Patches as tokens [N, L, C], class (and distillation) token before them, plus the position embedding. */
function embed(b: GraphBuilder, x: ValueId, config: VisionTransformerConfig, patch: number): ValueId {
  b.module('patch_embed', 'PatchEmbed');
  const patches = b.conv('patch_embed.proj', x, { out: config.width, kernel: patch, stride: patch, bias: true });
  const [, width, rows, columns] = b.shape(patches);
  const flat = b.reshape('patch_embed', patches, [-1, width, rows * columns], 'flatten');
  const tokens = b.transpose('patch_embed', flat, [0, 2, 1], 'transpose');
  const prefix = ['cls_token', ...(config.distilled ? ['dist_token'] : [])].map((name) =>
    b.expand('', b.value(name, [1, 1, width]), [-1, 1, width], `${name}_expand`),
  );
  const all = b.concat('', [...prefix, tokens], 1);
  // The number of tokens is the image's: another one in the checkpoint is for the loader to resize.
  const position = b.add(
    'parameter',
    '',
    [],
    {},
    { value: b.parameter('pos_embed', [1, rows * columns + prefix.length, width]) },
    { suffix: 'pos_embed' },
  );
  return b.plus('', all, position, 'add_pos_embed');
}

function block(
  b: GraphBuilder,
  path: string,
  x: ValueId,
  attention: { heads: number; width: number },
  drop: number,
): ValueId {
  b.module(path, 'Block');
  const width = b.shape(x)[2];
  const attended = selfAttention(b, `${path}.attn`, b.layerNorm(`${path}.norm1`, x), {
    type: 'Attention',
    ...attention,
  });
  const y = residual(b, path, x, attended, { path: `${path}.drop_path1`, probability: drop }, 'add1');
  const hidden = b.given(`${path}.mlp.fc1.weight`)?.[0] ?? MLP_RATIO * width;
  const mixed = mlp(b, `${path}.mlp`, b.layerNorm(`${path}.norm2`, y), { hidden, out: width });
  return residual(b, path, y, mixed, { path: `${path}.drop_path2`, probability: drop }, 'add2');
}

/** Token `index` of [N, L, C] as [N, C]. */
function token(b: GraphBuilder, x: ValueId, index: number, name: string): ValueId {
  const width = b.shape(x)[2];
  return b.reshape('', b.slice('', x, 1, index, index + 1, 1, `${name}_slice`), [-1, width], name);
}

function build(name: string, config: VisionTransformerConfig, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const { side, patch } = geometry(config.distilled ? 2 : 1, options);
  const input = inputConfig(side, config);
  let x = embed(b, b.input(input), config, patch);
  b.module('blocks', 'Sequential');
  const depth = blockCount(options.shapes, 'patch_embed.proj.weight', (i) => `blocks.${i}.norm1.weight`, DEPTH);
  depthRamp(depth, options.dropPath).forEach((drop, i) => {
    const path = `blocks.${i}`;
    const width = (b.given(`${path}.attn.qkv.weight`)?.[0] ?? 3 * config.width) / 3;
    const heads = options.heads?.(`${path}.attn`) ?? likelyHeads(width, { heads: config.heads, headDim: HEAD_DIM });
    x = block(b, path, x, { heads, width }, drop);
  });
  x = b.layerNorm('norm', x);
  const classes = options.shapes?.('head.weight')?.[0] ?? options.classes ?? 1000;
  const header = { name, family: 'deit', input, classes };
  const order = ['cls_token', 'pos_embed', 'dist_token'];
  const classToken = token(b, x, 0, 'class_token');
  if (!config.distilled)
    return b.finish(
      header,
      b.linear('head', dropout(b, 'head_drop', classToken, options.dropout ?? 0), classes),
      undefined,
      order,
    );
  const head = b.linear('head', classToken, classes);
  const headDist = b.linear('head_dist', token(b, x, 1, 'distillation_token'), classes);
  const mean = b.scale('', b.plus('', head, headDist, 'add_heads'), 0.5, 'mean_of_heads');
  return b.finish(header, mean, [head, headDist], order);
}

export const deitVariants: readonly Variant[] = configs().map(([name, config]) => ({
  name,
  family: 'deit',
  signatures: [['patch_embed.proj.weight', 'pos_embed', config.distilled ? 'head_dist.weight' : 'head.weight']],
  build: (options) => build(name, config, options),
}));
