/**
 * RegNetX and RegNetY (Radosavovic et al. 2020) with timm's state-dict names: grouped convolutions, in RegNetY with squeeze
 * and excitation.
 * timm's BatchNormAct2d is not known to the reference's counter, so these norms are not counted.
 */
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import {
  activationModule,
  batchNormAct,
  blockCount,
  classify,
  globalPool,
  residual,
  squeezeExcitation,
  stageRamps,
} from './layers.ts';
import { type BuildOptions, imageNetInput, type Variant } from './variant.ts';

interface RegNetConfig {
  readonly depths: readonly number[];
  readonly widths: readonly number[];
  /** Channels of one group of the 3 × 3 convolutions. */
  readonly groupWidth: number;
  readonly squeezes: boolean;
}

/** First width, its slope, the quantisation factor, group width and depth (section 3.3 of the paper; tables 5 and 6). */
type Parameters = readonly [initial: number, slope: number, factor: number, groupWidth: number, depth: number];

const X: Readonly<Record<string, Parameters>> = {
  '002': [24, 36.44, 2.49, 8, 13],
  '004': [24, 24.48, 2.54, 16, 22],
  '006': [48, 36.97, 2.24, 24, 16],
  '008': [56, 35.73, 2.28, 16, 16],
  '016': [80, 34.01, 2.25, 24, 18],
  '032': [88, 26.31, 2.25, 48, 25],
  '040': [96, 38.65, 2.43, 40, 23],
  '064': [184, 60.83, 2.07, 56, 17],
  '080': [80, 49.56, 2.88, 120, 23],
  '120': [168, 73.36, 2.37, 112, 19],
  '160': [216, 55.59, 2.1, 128, 22],
  '320': [320, 69.86, 2, 168, 23],
};
const Y: Readonly<Record<string, Parameters>> = {
  '002': [24, 36.44, 2.49, 8, 13],
  '004': [48, 27.89, 2.09, 8, 16],
  '006': [48, 32.54, 2.32, 16, 15],
  '008': [56, 38.84, 2.4, 16, 14],
  '016': [48, 20.71, 2.65, 24, 27],
  '032': [80, 42.63, 2.66, 24, 21],
  '040': [96, 31.41, 2.24, 64, 22],
  '064': [112, 33.22, 2.27, 72, 25],
  '080': [192, 76.82, 2.19, 56, 17],
  '120': [168, 73.36, 2.37, 112, 19],
  '160': [200, 106.23, 2.48, 112, 18],
  '320': [232, 115.89, 2.53, 232, 20],
  '640': [352, 147.48, 2.4, 328, 20],
  '1280': [456, 160.83, 2.52, 264, 27],
};

const WIDTH_STEP = 8;

/** To the nearest whole number, halves to the even one, as NumPy and Python round. */
function nearestEven(x: number): number {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2) : Math.round(x);
}

/** Widths on a line, rounded to powers of the factor and then to multiples of 8 and of the groups: a stage for each. */
function designed([initial, slope, factor, groupWidth, depth]: Parameters, squeezes: boolean): RegNetConfig {
  const exact = Array.from({ length: depth }, (_, i) => initial + slope * i);
  const powers = exact.map((width) => nearestEven(Math.log(width / initial) / Math.log(factor)));
  const stages = [...new Set(powers)].map((power) => {
    const width = nearestEven((initial * factor ** power) / WIDTH_STEP) * WIDTH_STEP;
    const group = Math.min(groupWidth, width);
    return { width: nearestEven(width / group) * group, depth: powers.filter((other) => other === power).length };
  });
  return { depths: stages.map((s) => s.depth), widths: stages.map((s) => s.width), groupWidth, squeezes };
}

const CONFIGS: Readonly<Record<string, RegNetConfig>> = Object.fromEntries([
  ...Object.entries(X).map(([size, parameters]) => [`regnetx_${size}`, designed(parameters, false)] as const),
  ...Object.entries(Y).map(([size, parameters]) => [`regnety_${size}`, designed(parameters, true)] as const),
]);

const STEM_WIDTH = 32;
/** Squeezed channels for each channel that enters the block. */
const SE_RATIO = 0.25;
const SE_NAMES = { reduce: 'fc1', act: 'act', expand: 'fc2', gate: 'gate' } as const;

/** timm's ConvNormAct. */
function convNorm(
  b: GraphBuilder,
  path: string,
  x: ValueId,
  conv: { out: number; kernel: number; stride?: number; groups?: number },
  act?: 'relu',
): ValueId {
  b.module(path, 'ConvNormAct');
  const y = b.conv(`${path}.conv`, x, { ...conv, padding: Math.floor(conv.kernel / 2) });
  return batchNormAct(b, `${path}.bn`, y, act);
}

interface BlockPlan {
  readonly path: string;
  readonly width: number;
  readonly groupWidth: number;
  readonly squeezes: boolean;
  /** The first block of a stage halves the image, and its shortcut is a convolution. */
  readonly first: boolean;
  readonly drop: number;
}

function block(b: GraphBuilder, plan: BlockPlan, x: ValueId): ValueId {
  const { path, width, first } = plan;
  b.module(path, 'Bottleneck');
  const stride = first ? 2 : 1;
  const groups = width / Math.min(plan.groupWidth, width);
  let y = convNorm(b, `${path}.conv1`, x, { out: width, kernel: 1 }, 'relu');
  y = convNorm(b, `${path}.conv2`, y, { out: width, kernel: 3, stride, groups }, 'relu');
  const reduced = Math.round(b.shape(x)[1] * SE_RATIO);
  const squeeze = { type: 'SEModule', reduced, names: SE_NAMES, act: 'relu' } as const;
  if (plan.squeezes) y = squeezeExcitation(b, `${path}.se`, y, squeeze);
  y = convNorm(b, `${path}.conv3`, y, { out: width, kernel: 1 });
  const shortcut = first ? convNorm(b, `${path}.downsample`, x, { out: width, kernel: 1, stride }) : x;
  const sum = residual(b, path, shortcut, y, { path: `${path}.drop_path`, probability: plan.drop });
  return activationModule(b, `${path}.act3`, sum, 'relu');
}

function build(name: string, config: RegNetConfig, options: BuildOptions = {}): Graph {
  const b = new GraphBuilder(options.shapes, options.revise);
  const input = imageNetInput(options.inputSize, { interpolation: 'bicubic' });
  let x = convNorm(b, 'stem', b.input(input), { out: STEM_WIDTH, kernel: 3, stride: 2 }, 'relu');
  const depths = config.depths.map((usual, stage) =>
    blockCount(options.shapes, 'stem.conv.weight', (i) => `s${stage + 1}.b${i + 1}.conv1.conv.weight`, usual),
  );
  const drops = stageRamps(depths, options.dropPath);
  depths.forEach((depth, stage) => {
    b.module(`s${stage + 1}`, 'RegStage');
    const { widths, groupWidth, squeezes } = config;
    for (let i = 0; i < depth; i++) {
      const path = `s${stage + 1}.b${i + 1}`;
      x = block(b, { path, width: widths[stage], groupWidth, squeezes, first: i === 0, drop: drops[stage][i] }, x);
    }
  });
  b.module('head', 'ClassifierHead');
  x = globalPool(b, 'head.global_pool.pool', x);
  return classify(b, x, { name, family: 'regnet', input }, options, { linear: 'head.fc', dropout: 'head.drop' });
}

export const regNetVariants: readonly Variant[] = Object.entries(CONFIGS).map(([name, config]) => ({
  name,
  family: 'regnet',
  signatures: [['stem.conv.weight', 's1.b1.conv1.conv.weight', 'head.fc.weight']],
  build: (options) => build(name, config, options),
}));
