/**
 * RegNetY (Radosavovic et al. 2020) with timm's state-dict names: grouped convolutions with squeeze and excitation.
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
}

const CONFIGS: Readonly<Record<string, RegNetConfig>> = {
  regnety_004: { depths: [1, 3, 6, 6], widths: [48, 104, 208, 440], groupWidth: 8 },
  regnety_008: { depths: [1, 3, 8, 2], widths: [64, 128, 320, 768], groupWidth: 16 },
  regnety_016: { depths: [2, 6, 17, 2], widths: [48, 120, 336, 888], groupWidth: 24 },
  regnety_032: { depths: [2, 5, 13, 1], widths: [72, 216, 576, 1512], groupWidth: 24 },
  regnety_160: { depths: [2, 4, 11, 1], widths: [224, 448, 1232, 3024], groupWidth: 112 },
};

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
  /** The first block of a stage halves the image, and its shortcut is a convolution. */
  readonly first: boolean;
  readonly drop: number;
}

function block(b: GraphBuilder, plan: BlockPlan, x: ValueId): ValueId {
  const { path, width, first } = plan;
  b.module(path, 'Bottleneck');
  const stride = first ? 2 : 1;
  const groups = width / plan.groupWidth;
  let y = convNorm(b, `${path}.conv1`, x, { out: width, kernel: 1 }, 'relu');
  y = convNorm(b, `${path}.conv2`, y, { out: width, kernel: 3, stride, groups }, 'relu');
  const reduced = Math.round(b.shape(x)[1] * SE_RATIO);
  y = squeezeExcitation(b, `${path}.se`, y, { type: 'SEModule', reduced, names: SE_NAMES, act: 'relu' });
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
    const { widths, groupWidth } = config;
    for (let i = 0; i < depth; i++) {
      const path = `s${stage + 1}.b${i + 1}`;
      x = block(b, { path, width: widths[stage], groupWidth, first: i === 0, drop: drops[stage][i] }, x);
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
