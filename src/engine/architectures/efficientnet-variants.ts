/** The networks that share the builder of EfficientNet: their scaling, activation, padding and image sizes. */
import {
  EFFICIENTNET_B0_STAGES,
  MOBILENET_V2_STAGES,
  type Scaling,
  SQUEEZE,
  type StageConfig,
} from './inverted-residuals.ts';

export interface EfficientNetConfig extends Scaling {
  readonly stages: readonly StageConfig[];
  readonly act: 'relu6' | 'silu';
  /** Squeezed channels for each channel that enters a block; none without squeeze and excitation. */
  readonly squeeze?: number;
  /** Side of the image. */
  readonly side?: number;
  /** TensorFlow's padding and its batch norms' eps, for weights that were trained there. */
  readonly tensorFlow?: boolean;
  /** Blurs in place of strides (Zhang 2019). */
  readonly blurs?: boolean;
  /** Stem and head as wide as the smallest member's. */
  readonly fixedStem?: boolean;
  readonly leastHead?: number;
  /** torchvision's network of the same name: eps of its norms, dropout and image side, where it has one. */
  readonly torchvision?: { readonly eps: number; readonly dropout: number; readonly side: number };
}

const BASE = { stages: EFFICIENTNET_B0_STAGES, act: 'silu', squeeze: SQUEEZE } as const;
const MOBILE = { stages: MOBILENET_V2_STAGES, act: 'relu6', leastHead: 1280 } as const;
const LITE = { stages: EFFICIENTNET_B0_STAGES, act: 'relu6' } as const;
const EPS = 1e-5;
/** Of torchvision's three largest. */
const LARGE_EPS = 1e-3;

interface Size extends Scaling {
  readonly name: string;
  /** The paper's resolution, which torchvision and TensorFlow's weights have. */
  readonly side: number;
  /** timm's own weights' resolution. */
  readonly timmSide: number;
  readonly dropout: number;
}

const size = (name: string, width: number, depth: number, side: number, timmSide: number, dropout: number): Size => ({
  name,
  width,
  depth,
  side,
  timmSide,
  dropout,
});

/** Tan & Le 2019. */
const SIZES: readonly Size[] = [
  size('b0', 1, 1, 224, 224, 0.2),
  size('b1', 1, 1.1, 240, 240, 0.2),
  size('b2', 1.1, 1.2, 260, 256, 0.3),
  size('b3', 1.2, 1.4, 300, 288, 0.3),
  size('b4', 1.4, 1.8, 380, 320, 0.4),
  size('b5', 1.6, 2.2, 456, 448, 0.4),
  size('b6', 1.8, 2.6, 528, 528, 0.5),
  size('b7', 2, 3.1, 600, 600, 0.5),
  size('b8', 2.2, 3.6, 672, 672, 0.5),
];
const LITE_SIZES: readonly Size[] = [
  size('lite0', 1, 1, 224, 224, 0.2),
  size('lite1', 1, 1.1, 240, 240, 0.2),
  size('lite2', 1.1, 1.2, 260, 260, 0.3),
  size('lite3', 1.2, 1.4, 300, 300, 0.3),
  size('lite4', 1.4, 1.8, 380, 380, 0.4),
];
const MOBILE_WIDTHS = { '035': 0.35, '050': 0.5, '075': 0.75, '100': 1, '140': 1.4 } as const;
/** Han et al. 2020: width, depth, image side. */
const TINY: Readonly<Record<string, readonly [number, number, number]>> = {
  tinynet_a: [1, 1.2, 192],
  tinynet_b: [0.75, 1.1, 188],
  tinynet_c: [0.54, 0.85, 184],
  tinynet_d: [0.54, 0.695, 152],
  tinynet_e: [0.51, 0.6, 106],
};

function sized(
  kind: string,
  base: Pick<EfficientNetConfig, 'stages' | 'act' | 'squeeze' | 'fixedEnds'>,
  sizes: readonly Size[],
) {
  return sizes.flatMap(({ name, width, depth, side, timmSide, dropout }): [string, EfficientNetConfig][] => {
    const config = { ...base, width, depth };
    const large = /^b[567]$/.test(name);
    const inTorchvision = kind === '' && name !== 'b8';
    const torchvision = { eps: large ? LARGE_EPS : EPS, dropout, side };
    return [
      [`efficientnet_${name}`, { ...config, side: timmSide, ...(inTorchvision && { torchvision }) }],
      [`tf_efficientnet_${name}`, { ...config, side, tensorFlow: true }],
    ];
  });
}

export const EFFICIENTNETS: readonly (readonly [string, EfficientNetConfig])[] = [
  ...sized('', BASE, SIZES),
  ['efficientnet_blur_b0', { ...BASE, blurs: true }],
  ...sized('lite', { ...LITE, fixedEnds: true }, LITE_SIZES),
  ...Object.entries(MOBILE_WIDTHS).map(([name, width]): [string, EfficientNetConfig] => [
    `mobilenetv2_${name}`,
    { ...MOBILE, width },
  ]),
  ['mobilenetv2_110d', { ...MOBILE, width: 1.1, depth: 1.2, fixedEnds: true, fixedStem: true }],
  ['mobilenetv2_120d', { ...MOBILE, width: 1.2, depth: 1.4, fixedEnds: true, fixedStem: true }],
  ...Object.entries(TINY).map(([name, [width, depth, side]]): [string, EfficientNetConfig] => [
    name,
    { ...BASE, width, depth, side, round: 'nearest', fixedStem: true, leastHead: 1280 },
  ]),
];
