/**
 * Vision transformers: ViT (Dosovitskiy et al. 2021), DeiT (Touvron et al. 2021) with and without distillation token, DeiT III
 * and DINOv2 (layer scale; registers of Darcet et al. 2023), with timm's state-dict names. A distilled DeiT has two heads:
 * their mean in evaluation, both in training.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, InputConfig, ValueId } from '../graph/graph.ts';
import { likelyHeads, selfAttention } from './attention.ts';
import { blockCount, depthRamp, dropout, mlp, residual } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';
import { VISION_TRANSFORMERS, type VisionTransformerConfig } from './vision-transformer-variants.ts';

const PATCH = 16;
const DEPTH = 12;
const SIDE = 224;
const MLP_RATIO = 4;

interface Geometry {
  readonly side: number;
  readonly patch: number;
  readonly registers: number;
  /** Whether class token and registers have a position of their own. */
  readonly embedsPrefix: boolean;
}

const isSquare = (count: number): boolean => Number.isInteger(Math.sqrt(count));

/** Image side, patch size and what has a position: by the checkpoint's tensors, else the network's own. */
function geometry(config: VisionTransformerConfig, { shapes, inputSize }: BuildOptions): Geometry {
  const patch = shapes?.('patch_embed.proj.weight')?.[2] ?? config.patch ?? PATCH;
  const registers = shapes ? (shapes('reg_token')?.[1] ?? 0) : (config.registers ?? 0);
  const prefix = (config.distilled ? 2 : 1) + registers;
  const usual = config.side ?? SIDE;
  const tokens = shapes?.('pos_embed')?.[1];
  if (tokens === undefined) return { side: inputSize ?? usual, patch, registers, embedsPrefix: !config.bareClass };
  const embedsPrefix = isSquare(tokens - prefix) || !isSquare(tokens);
  const grid = Math.sqrt(tokens - (embedsPrefix ? prefix : 0));
  return { side: inputSize ?? (Number.isInteger(grid) ? grid * patch : usual), patch, registers, embedsPrefix };
}

function inputConfig(side: number, config: VisionTransformerConfig): InputConfig {
  const half = [0.5, 0.5, 0.5] as const;
  return imageNetInput(side, {
    interpolation: 'bicubic',
    ...(config.halfNorm && { mean: half, std: half }),
  });
}

/**
 * Patches as tokens [N, L, C], with class token, registers and distillation token before them, plus the position embedding:
 * of all tokens, or of the patches alone.
 */
function embed(b: GraphBuilder, x: ValueId, config: VisionTransformerConfig, at: Geometry): ValueId {
  b.module('patch_embed', 'PatchEmbed');
  const { patch, registers, embedsPrefix } = at;
  const patches = b.conv('patch_embed.proj', x, { out: config.width, kernel: patch, stride: patch, bias: true });
  const [, width, rows, columns] = b.shape(patches);
  const flat = b.reshape('patch_embed', patches, [-1, width, rows * columns], 'flatten');
  const tokens = b.transpose('patch_embed', flat, [0, 2, 1], 'transpose');
  const names = ['cls_token', ...(registers ? ['reg_token'] : []), ...(config.distilled ? ['dist_token'] : [])];
  const prefix = names.map((name) => {
    const count = name === 'reg_token' ? registers : 1;
    return b.expand('', b.value(name, [1, count, width]), [-1, count, width], `${name}_expand`);
  });
  const length = prefix.reduce((sum, id) => sum + b.shape(id)[1], 0);
  // The number of tokens is the image's: another one in the checkpoint is for the loader to resize.
  const count = rows * columns + (embedsPrefix ? length : 0);
  const value = b.parameter('pos_embed', [1, count, width]);
  const position = (): ValueId => b.add('parameter', '', [], {}, { value }, { suffix: 'pos_embed' });
  if (!embedsPrefix) return b.concat('', [...prefix, b.plus('', tokens, position(), 'add_pos_embed')], 1);
  const all = b.concat('', [...prefix, tokens], 1);
  return b.plus('', all, position(), 'add_pos_embed');
}

/** Layer scale (Touvron et al. 2021): a factor for each channel of a residual branch, where the network has it. */
function layerScale(b: GraphBuilder, path: string, x: ValueId, scales: boolean): ValueId {
  const name = `${path}.gamma`;
  if (!(b.given(name) || scales)) return x;
  b.module(path, 'LayerScale');
  return b.times(path, x, b.value(name, [b.shape(x)[2]]), 'scale');
}

interface BlockPlan {
  readonly attention: { readonly heads: number; readonly width: number };
  readonly drop: number;
  readonly scales: boolean;
  readonly mlpRatio: number;
}

function block(b: GraphBuilder, path: string, x: ValueId, plan: BlockPlan): ValueId {
  b.module(path, 'Block');
  const { attention, drop, scales, mlpRatio } = plan;
  const width = b.shape(x)[2];
  const attended = selfAttention(b, `${path}.attn`, b.layerNorm(`${path}.norm1`, x), {
    type: 'Attention',
    ...attention,
  });
  const scaled = layerScale(b, `${path}.ls1`, attended, scales);
  const y = residual(b, path, x, scaled, { path: `${path}.drop_path1`, probability: drop }, 'add1');
  const hidden = b.given(`${path}.mlp.fc1.weight`)?.[0] ?? Math.floor(mlpRatio * width);
  const mixed = mlp(b, `${path}.mlp`, b.layerNorm(`${path}.norm2`, y), { hidden, out: width });
  const branch = layerScale(b, `${path}.ls2`, mixed, scales);
  return residual(b, path, y, branch, { path: `${path}.drop_path2`, probability: drop }, 'add2');
}

/** Token `index` of [N, L, C] as [N, C]. */
function token(b: GraphBuilder, x: ValueId, index: number, name: string): ValueId {
  const width = b.shape(x)[2];
  return b.reshape('', b.slice('', x, 1, index, index + 1, 1, `${name}_slice`), [-1, width], name);
}

function build(name: string, config: VisionTransformerConfig, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const at = geometry(config, options);
  const input = inputConfig(at.side, config);
  let x = embed(b, b.input(input), config, at);
  b.module('blocks', 'Sequential');
  const usual = config.depth ?? DEPTH;
  const depth = blockCount(options.shapes, 'patch_embed.proj.weight', (i) => `blocks.${i}.norm1.weight`, usual);
  const scales = options.shapes === undefined && Boolean(config.layerScale);
  const dense = { heads: config.heads, headDim: config.width / config.heads };
  depthRamp(depth, options.dropPath).forEach((drop, i) => {
    const path = `blocks.${i}`;
    const width = (b.given(`${path}.attn.qkv.weight`)?.[0] ?? 3 * config.width) / 3;
    const heads = options.heads?.(`${path}.attn`) ?? likelyHeads(width, dense);
    const mlpRatio = config.mlpRatio ?? MLP_RATIO;
    x = block(b, path, x, { attention: { heads, width }, drop, scales, mlpRatio });
  });
  x = b.layerNorm('norm', x);
  const classes = options.shapes?.('head.weight')?.[0] ?? options.classes ?? 1000;
  const header = { name, family: 'deit', input, classes };
  const order = ['cls_token', 'reg_token', 'pos_embed', 'dist_token'];
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

export const deitVariants: readonly Variant[] = VISION_TRANSFORMERS.map(([name, config]) => ({
  name,
  family: 'deit',
  ...(config.exact && { exact: true }),
  signatures: [['patch_embed.proj.weight', 'pos_embed', config.distilled ? 'head_dist.weight' : 'head.weight']],
  build: (options) => build(name, config, options),
}));
