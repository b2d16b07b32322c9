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
): BlockPlan[] {
  let width = STEM_WIDTH;
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
