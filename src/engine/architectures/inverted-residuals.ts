/** Stages of inverted residual blocks, shared by MobileNetV2 and EfficientNet and by both libraries' forms of them. */

export interface StageConfig {
  /** Hidden channels for each input channel of a block. */
  readonly expansion: number;
  readonly kernel: number;
  readonly width: number;
  readonly depth: number;
  readonly stride: number;
}

const stage = (expansion: number, kernel: number, width: number, depth: number, stride: number): StageConfig => ({
  expansion,
  kernel,
  width,
  depth,
  stride,
});

/** Tan & Le 2019, table 1. */
export const EFFICIENTNET_B0_STAGES: readonly StageConfig[] = [
  stage(1, 3, 16, 1, 1),
  stage(6, 3, 24, 2, 2),
  stage(6, 5, 40, 2, 2),
  stage(6, 3, 80, 3, 2),
  stage(6, 5, 112, 3, 1),
  stage(6, 5, 192, 4, 2),
  stage(6, 3, 320, 1, 1),
];

/** Sandler et al. 2018, table 2. */
export const MOBILENET_V2_STAGES: readonly StageConfig[] = [
  stage(1, 3, 16, 1, 1),
  stage(6, 3, 24, 2, 2),
  stage(6, 3, 32, 3, 2),
  stage(6, 3, 64, 4, 2),
  stage(6, 3, 96, 3, 1),
  stage(6, 3, 160, 3, 2),
  stage(6, 3, 320, 1, 1),
];

export const STEM_WIDTH = 32;
export const HEAD_WIDTH = 1280;
/** Squeezed channels for each channel that enters a block of EfficientNet. */
export const SQUEEZE = 0.25;

/** Multiples of the widths and depths of a network's smallest member. */
export interface Scaling {
  readonly width?: number;
  readonly depth?: number;
  /** How a fractional depth becomes a whole one. */
  readonly round?: 'up' | 'nearest';
  /** Whether the first and the last stage keep their depth, and stem and head their width. */
  readonly fixedEnds?: boolean;
}

const WIDTH_STEP = 8;

/** A width times a factor, as a multiple of 8 that is not more than a tenth narrower. */
export function scaledWidth(width: number, factor = 1): number {
  const exact = width * factor;
  const rounded = Math.max(WIDTH_STEP, Math.floor((exact + WIDTH_STEP / 2) / WIDTH_STEP) * WIDTH_STEP);
  return rounded < 0.9 * exact ? rounded + WIDTH_STEP : rounded;
}

/** Stages of a larger or smaller member of a family (Tan & Le 2019, section 3.3). */
export function scaledStages(
  stages: readonly StageConfig[],
  { width, depth = 1, round, fixedEnds }: Scaling,
): readonly StageConfig[] {
  return stages.map((config, i) => {
    const keepsDepth = fixedEnds && (i === 0 || i === stages.length - 1);
    const exact = config.depth * (keepsDepth ? 1 : depth);
    const whole = round === 'nearest' ? Math.max(1, Math.round(exact)) : Math.ceil(exact);
    return { ...config, width: scaledWidth(config.width, width), depth: whole };
  });
}

export interface BlockPlan extends Omit<StageConfig, 'depth'> {
  readonly path: string;
  /** Probability of stochastic depth. */
  readonly drop: number;
  /** Whether the block adds its input: by the unpruned widths, which pruning keeps equal. */
  readonly adds: boolean;
}

/** The blocks in order; stochastic depth grows by block index over the number of blocks, as in both libraries. */
export function blockPlans(
  stages: readonly StageConfig[],
  pathOf: (stage: number, block: number) => string,
  depthOf: (stage: number) => number,
  dropPath = 0,
  stemWidth = STEM_WIDTH,
): BlockPlan[] {
  let width = stemWidth;
  const plans = stages.flatMap((config, s) =>
    Array.from({ length: depthOf(s) }, (_, i) => {
      const stride = i === 0 ? config.stride : 1;
      const adds = stride === 1 && width === config.width;
      width = config.width;
      return { ...config, stride, adds, path: pathOf(s, i) };
    }),
  );
  return plans.map((plan, i) => ({ ...plan, drop: (dropPath * i) / plans.length }));
}
