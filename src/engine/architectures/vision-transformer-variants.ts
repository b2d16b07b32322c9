/** Sizes of the vision transformers, by timm's names. */

export interface VisionTransformerConfig {
  readonly width: number;
  readonly heads: number;
  /** Blocks; 12 by default. */
  readonly depth?: number;
  /** Side of a patch; 16 by default. */
  readonly patch?: number;
  /** Side of the image; 224 by default. */
  readonly side?: number;
  /** Hidden channels of an MLP for each of its inputs; 4 by default. */
  readonly mlpRatio?: number;
  readonly distilled?: boolean;
  /** timm's toy for its tests. */
  readonly exact?: boolean;
  /** Mean and std ½ instead of ImageNet's: the ViTs of the original authors. */
  readonly halfNorm?: boolean;
  /** Whether residual branches have a factor for each channel. */
  readonly layerScale?: boolean;
  /** Tokens that belong to no patch, beside the class token. */
  readonly registers?: number;
  /** Whether the position embedding is of the patches alone. */
  readonly bareClass?: boolean;
}

type Named = readonly [string, VisionTransformerConfig];

const TINY = { width: 192, heads: 3 } as const;
const SMALL = { width: 384, heads: 6 } as const;
const MEDIUM = { width: 512, heads: 8 } as const;
const BASE = { width: 768, heads: 12 } as const;
const LARGE = { width: 1024, heads: 16, depth: 24 } as const;
const HUGE = { width: 1280, heads: 16, depth: 32, patch: 14 } as const;

const deits: readonly Named[] = Object.entries({ tiny: TINY, small: SMALL, base: BASE }).flatMap(
  ([size, config]): Named[] => [
    [`deit_${size}_distilled_patch16_224`, { ...config, distilled: true }],
    [`deit_${size}_patch16_224`, config],
  ],
);

/** Patch and image sides that timm has weights for. */
const vits: readonly Named[] = (
  [
    ['tiny', TINY, [16, 224], [16, 384]],
    ['small', SMALL, [16, 224], [16, 384], [32, 224], [32, 384], [8, 224]],
    ['base', BASE, [16, 224], [16, 384], [32, 224], [32, 384], [8, 224]],
    ['large', LARGE, [16, 224], [16, 384], [32, 224], [32, 384], [14, 224]],
    ['huge', HUGE, [14, 224]],
    ['giant', { width: 1408, heads: 16, depth: 40, patch: 14, mlpRatio: 48 / 11 }, [14, 224]],
    ['gigantic', { width: 1664, heads: 16, depth: 48, patch: 14, mlpRatio: 64 / 13 }, [14, 224]],
  ] as const
).flatMap(([size, config, ...sides]) =>
  sides.map(
    ([patch, side]): Named => [`vit_${size}_patch${patch}_${side}`, { ...config, patch, side, halfNorm: true }],
  ),
);

const deit3 = { layerScale: true, bareClass: true } as const;
const deits3: readonly Named[] = [
  ...Object.entries({ small: SMALL, medium: MEDIUM, base: BASE, large: LARGE }).flatMap(([size, config]): Named[] => [
    [`deit3_${size}_patch16_224`, { ...config, ...deit3 }],
    ...(size === 'medium' ? [] : [[`deit3_${size}_patch16_384`, { ...config, ...deit3, side: 384 }] as const]),
  ]),
  ['deit3_huge_patch14_224', { ...HUGE, ...deit3 }],
];

const dino = { layerScale: true, patch: 14, side: 518 } as const;
const dinos: readonly Named[] = Object.entries({ small: SMALL, base: BASE, large: LARGE }).flatMap(
  ([size, config]): Named[] => [
    [`vit_${size}_patch14_dinov2`, { ...config, ...dino }],
    [`vit_${size}_patch14_reg4_dinov2`, { ...config, ...dino, registers: 4, bareClass: true }],
  ],
);

const flexible: readonly Named[] = Object.entries({ small: SMALL, base: BASE, large: LARGE }).map(
  ([size, config]): Named => [`flexivit_${size}`, { ...config, side: 240, bareClass: true, halfNorm: true }],
);

export const VISION_TRANSFORMERS: readonly Named[] = [
  ...deits,
  ['deit_base_distilled_patch16_384', { ...BASE, distilled: true, side: 384 }],
  ['deit_base_patch16_384', { ...BASE, side: 384 }],
  ...vits,
  ...deits3,
  ...dinos,
  ...flexible,
  ['vit_base_patch16_plus_240', { width: 896, heads: 14, side: 240, layerScale: true, halfNorm: true }],
  ['vit_small_patch16_36x1_224', { ...SMALL, depth: 36, layerScale: true, halfNorm: true }],
  ['test_vit', { width: 64, heads: 2, depth: 6, mlpRatio: 3, side: 160, halfNorm: true, exact: true }],
];
