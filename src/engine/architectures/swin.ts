/**
 * Swin Transformer (Liu et al. 2021) with timm's state-dict names. Values stay [N, H, W, C]; attention runs over
 * [N, windows, L, C], every second block with windows shifted by half their side. The final pooling is a class of timm's
 * own, which the reference's counter does not know.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import { likelyHeads, selfAttention } from './attention.ts';
import { blockCount, classify, mlp, residual, stageRamps } from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';
import { partitionWindows, positionBias, reverseWindows, type Shift, shiftMask, windowSide } from './windows.ts';

interface SwinConfig {
  readonly depths: readonly number[];
  readonly width: number;
  readonly heads: readonly number[];
  /** Side of the windows of each stage; 7 in all by default. */
  readonly windows?: readonly [number, number, number, number];
  /** Side of the image; 224 by default. */
  readonly side?: number;
}

const SIZES = {
  tiny: { depths: [2, 2, 6, 2], width: 96, heads: [3, 6, 12, 24] },
  small: { depths: [2, 2, 18, 2], width: 96, heads: [3, 6, 12, 24] },
  base: { depths: [2, 2, 18, 2], width: 128, heads: [4, 8, 16, 32] },
  large: { depths: [2, 2, 18, 2], width: 192, heads: [6, 12, 24, 48] },
} as const;
const WIDE = { windows: [12, 12, 12, 12], side: 384 } as const;

/** The last three are S3's (Chen et al. 2021), whose search found windows of 14. */
const CONFIGS: Readonly<Record<string, SwinConfig>> = {
  swin_tiny_patch4_window7_224: SIZES.tiny,
  swin_small_patch4_window7_224: SIZES.small,
  swin_base_patch4_window7_224: SIZES.base,
  swin_base_patch4_window12_384: { ...SIZES.base, ...WIDE },
  swin_large_patch4_window7_224: SIZES.large,
  swin_large_patch4_window12_384: { ...SIZES.large, ...WIDE },
  swin_s3_tiny_224: { ...SIZES.tiny, windows: [7, 7, 14, 7] },
  swin_s3_small_224: { ...SIZES.small, windows: [14, 14, 14, 7] },
  swin_s3_base_224: { ...SIZES.small, depths: [2, 2, 30, 2], windows: [7, 7, 14, 7] },
};

const PATCH = 4;
const USUAL_WINDOW = 7;
const USUAL_SIDE = 224;
const STAGES = [0, 1, 2, 3] as const;
const HEAD_DIM = 32;
const MLP_RATIO = 4;
const EPS = 1e-5;

/** 2 × 2 neighbours [N, H, W, C] to [N, H/2, W/2, 4C], column by column as timm orders them, normed and halved. */
function mergePatches(b: GraphBuilder, path: string, x: ValueId, out: number): ValueId {
  b.module(path, 'PatchMerging');
  let even = x;
  for (const axis of [1, 2])
    if (b.shape(even)[axis] % 2)
      even = b.add('pad', path, [even], { axis, before: 0, after: 1 }, {}, { suffix: 'pad' });
  const [, height, width] = b.shape(even);
  const rows = [0, 1].map((r) => b.slice(path, even, 1, r, height, 2, `rows${r}`));
  const corners = [0, 1].flatMap((c) => rows.map((row, r) => b.slice(path, row, 2, c, width, 2, `corner${r}${c}`)));
  const merged = b.layerNorm(`${path}.norm`, b.concat(path, corners, 3), { eps: EPS });
  return b.linear(`${path}.reduction`, merged, out, { bias: false });
}

interface StagePlan {
  readonly heads: number;
  readonly window: number;
  readonly headsOf: (attention: string) => number | undefined;
  /** Mask of this stage's shifted windows, made when the first block needs it. */
  readonly mask: (shift: Shift) => ValueId;
}

function attend(b: GraphBuilder, path: string, x: ValueId, index: number, stage: StagePlan): ValueId {
  const [, height, width, channels] = b.shape(x);
  const window = [windowSide(height, stage.window), windowSide(width, stage.window)] as const;
  const shiftOf = (size: number): number => (index % 2 && size > stage.window ? stage.window >> 1 : 0);
  const shift: Shift = [shiftOf(height), shiftOf(width)];
  const shifted = shift.some(Boolean);
  const rolled = shifted
    ? b.add('roll', path, [x], { axes: [1, 2], shifts: [-shift[0], -shift[1]] }, {}, { suffix: 'shift' })
    : x;
  const windows = partitionWindows(b, path, rolled, window);
  const attention = `${path}.attn`;
  const q = (b.given(`${attention}.qkv.weight`)?.[0] ?? 3 * channels) / 3;
  const table = b.given(`${attention}.relative_position_bias_table`);
  const heads = stage.headsOf(attention) ?? table?.[1] ?? likelyHeads(q, { heads: stage.heads, headDim: HEAD_DIM });
  const bias = positionBias(b, attention, window, heads);
  const attended = selfAttention(b, attention, windows, {
    type: 'WindowAttention',
    heads,
    width: q,
    bias: (scores) => {
      const placed = b.plus(attention, scores, bias, 'add_position_bias');
      return shifted ? b.plus(attention, placed, stage.mask(shift), 'add_mask') : placed;
    },
  });
  const image = reverseWindows(b, path, attended, window, [height, width]);
  if (!shifted) return image;
  return b.add('roll', path, [image], { axes: [1, 2], shifts: shift }, {}, { suffix: 'unshift' });
}

function block(b: GraphBuilder, path: string, x: ValueId, index: number, stage: StagePlan, drop: number): ValueId {
  b.module(path, 'SwinTransformerBlock');
  const attended = attend(b, path, b.layerNorm(`${path}.norm1`, x, { eps: EPS }), index, stage);
  const y = residual(b, path, x, attended, { path: `${path}.drop_path1`, probability: drop }, 'add1');
  const width = b.shape(x)[3];
  const hidden = b.given(`${path}.mlp.fc1.weight`)?.[0] ?? MLP_RATIO * width;
  const mixed = mlp(b, `${path}.mlp`, b.layerNorm(`${path}.norm2`, y, { eps: EPS }), { hidden, out: width });
  return residual(b, path, y, mixed, { path: `${path}.drop_path2`, probability: drop }, 'add2');
}

function embed(b: GraphBuilder, x: ValueId, width: number): ValueId {
  b.module('patch_embed', 'PatchEmbed');
  const patches = b.conv('patch_embed.proj', x, { out: width, kernel: PATCH, stride: PATCH, bias: true });
  const nhwc = b.transpose('patch_embed', patches, [0, 2, 3, 1], 'to_channels_last');
  return b.layerNorm('patch_embed.norm', nhwc, { eps: EPS });
}

interface Windows {
  /** Side of the windows of each stage, where the image is large enough. */
  readonly windows: readonly number[];
  /** Side of the image. */
  readonly side: number;
}

/** Sides of the windows that a checkpoint's bias tables are for, [(2 · side − 1)², heads]; undefined for one without. */
function tableSides({ shapes }: BuildOptions): readonly number[] | undefined {
  const rows = STAGES.map((stage) => shapes?.(`layers.${stage}.blocks.0.attn.relative_position_bias_table`)?.[0]);
  const sides = rows.map((count) => (Math.sqrt(count ?? Number.NaN) + 1) / 2);
  return sides.every(Number.isInteger) ? sides : undefined;
}

/**
 * The network's own windows and image where its tables are for them, or for a smaller image that cut the windows; else
 * the tables' windows.
 */
function windowsOf(config: SwinConfig, options: BuildOptions): Windows {
  const own = { windows: config.windows ?? STAGES.map(() => USUAL_WINDOW), side: config.side ?? USUAL_SIDE };
  const sides = tableSides(options);
  if (!sides) return own;
  const fits = (side: number): boolean =>
    STAGES.every((stage) => windowSide(side / (PATCH << stage), own.windows[stage]) === sides[stage]);
  for (const side of [own.side, (PATCH << 3) * sides[3]]) if (fits(side)) return { ...own, side };
  return { windows: sides, side: imageSide(sides) };
}

/**
 * Side of the image for windows of these sides: a last window larger than the usual image's, or half as large as the one
 * before it, was the whole image of its stage.
 */
function imageSide(windows: readonly number[]): number {
  const whole = (PATCH << 3) * windows[3];
  const wasCut = 2 * windows[3] === windows[2] && windows[3] < USUAL_WINDOW;
  return whole > USUAL_SIDE || wasCut ? whole : USUAL_SIDE;
}

function build(name: string, config: SwinConfig, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const { windows, side } = windowsOf(config, options);
  const input = imageNetInput(options.inputSize ?? side, { interpolation: 'bicubic' });
  let x = embed(b, b.input(input), config.width);
  const depths = config.depths.map((usual, stage) =>
    blockCount(options.shapes, 'patch_embed.proj.weight', (i) => `layers.${stage}.blocks.${i}.norm1.weight`, usual),
  );
  const drops = stageRamps(depths, options.dropPath);
  b.module('layers', 'Sequential');
  depths.forEach((depth, index) => {
    const path = `layers.${index}`;
    b.module(path, 'SwinTransformerStage');
    if (index > 0) x = mergePatches(b, `${path}.downsample`, x, config.width << index);
    b.module(`${path}.blocks`, 'Sequential');
    let mask: ValueId | undefined;
    const [, height, width] = b.shape(x);
    const window = windows[index];
    const stage: StagePlan = {
      heads: config.heads[index],
      window,
      headsOf: (attention) => options.heads?.(attention),
      mask: (shift) => {
        mask ??= shiftMask(b, path, [height, width], [windowSide(height, window), windowSide(width, window)], shift);
        return mask;
      },
    };
    for (let i = 0; i < depth; i++) x = block(b, `${path}.blocks.${i}`, x, i, stage, drops[index][i]);
  });
  x = b.layerNorm('norm', x, { eps: EPS });
  b.module('head', 'ClassifierHead');
  x = b.mean('head.global_pool.pool', x, [1, 2], false, {
    moduleType: 'FastAdaptiveAvgPool',
    suffix: '',
  });
  return classify(b, x, { name, family: 'swin', input }, options, { linear: 'head.fc', dropout: 'head.drop' });
}

export const swinVariants: readonly Variant[] = Object.entries(CONFIGS).map(([name, config]) => ({
  name,
  family: 'swin',
  signatures: [['patch_embed.proj.weight', 'layers.0.blocks.0.attn.relative_position_bias_table']],
  build: (options) => build(name, config, options),
}));
