/** The pruning scripts of the paper's authors, with what is published of their results. */
import type { PlanOptions } from '../src/engine/pruning/planning/plan-types.ts';

export interface PaperRun {
  /** The script's name without `.sh`; reference cases have the same names. */
  readonly name: string;
  readonly model: string;
  readonly ratios: PlanOptions;
  readonly removeLayers?: number;
  /** MACs in 10⁹ and parameters in 10⁶ of the released model; without parameters, the MACs in the script's name. */
  readonly macs: number;
  readonly params?: number;
}

const deit = (size: string): string => `deit_${size}_distilled_patch16_224`;
const ROUND = { roundTo: 2 };

/** scripts/pruning/*.sh of github.com/VainF/Isomorphic-Pruning; figures of its README. All of them score by Taylor. */
export const PAPER_RUNS: readonly PaperRun[] = [
  {
    name: 'deit_4.2G',
    model: deit('base'),
    ratios: { ...ROUND, ratio: 0.5, headRatio: 0.5, headDimRatio: 0.25 },
    macs: 4.16,
    params: 20.69,
  },
  {
    name: 'deit_2.6G',
    model: deit('base'),
    ratios: { ...ROUND, ratio: 0.6, headRatio: 0.6, headDimRatio: 0.3 },
    macs: 2.61,
    params: 13.07,
  },
  {
    name: 'deit_1.2G',
    model: deit('small'),
    ratios: { ...ROUND, ratio: 0.5, headRatio: 0.5, headDimRatio: 0.1 },
    macs: 1.21,
    params: 5.74,
  },
  {
    name: 'deit_0.6G',
    model: deit('tiny'),
    ratios: { ...ROUND, ratio: 0.25, headRatio: 0.3, headDimRatio: 0.3 },
    macs: 0.62,
    params: 3.08,
  },
  { name: 'convnext_8.5G', model: 'convnext_base', ratios: { ...ROUND, ratio: 0.26 }, macs: 8.48, params: 47.36 },
  {
    name: 'convnext_4.2G',
    model: 'convnext_base',
    ratios: { ...ROUND, ratio: 0.25 },
    removeLayers: 18,
    macs: 4.19,
    params: 25.32,
  },
  { name: 'swin_4.5G', model: 'swin_base_patch4_window7_224', ratios: { ...ROUND, ratio: 0.47 }, macs: 4.5 },
  { name: 'resnet152_4.0G', model: 'resnet152', ratios: { ...ROUND, ratio: 0.4 }, macs: 4.0 },
  { name: 'resnet101_4.5G', model: 'resnet101', ratios: { ...ROUND, ratio: 0.22 }, macs: 4.5 },
  { name: 'resnet101_3.8G', model: 'resnet101', ratios: { ...ROUND, ratio: 0.28 }, macs: 3.8 },
  { name: 'resnet50_2.0G', model: 'resnet50', ratios: { ...ROUND, ratio: 0.26 }, macs: 2.0 },
  { name: 'mobilenet_v2_0.15G', model: 'mobilenet_v2', ratios: { ...ROUND, ratio: 0.27 }, macs: 0.15 },
];
