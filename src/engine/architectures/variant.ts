/** What a family file gives to the registry: variants as data, one builder for all of them. */
import { usualResize } from '../../common/image-size.ts';
import type { ParameterShapes, Revise } from '../graph/builder.ts';
import type { Graph, InputConfig } from '../graph/graph.ts';

export interface BuildOptions {
  /** Number of logits; the variant's own by default. */
  readonly classes?: number;
  /** Side of the square input image. */
  readonly inputSize?: number;
  /** Parameter shapes of a checkpoint: its (pruned) widths take the place of the variant's. */
  readonly shapes?: ParameterShapes;
  /** Heads of an attention layer by its module path, where a checkpoint's record says so. */
  readonly heads?: (attention: string) => number | undefined;
  /** Stochastic depth of the last block; blocks before it have linearly less. */
  readonly dropPath?: number;
  /** Dropout before the classifier; the family's own by default (0 in timm). */
  readonly dropout?: number;
  /** torchvision's form of a network that it names and builds in another way. */
  readonly torchvision?: boolean;
  /** Layers that are other than the family's, as a pickled module says. */
  readonly revise?: Revise;
}

export interface Variant {
  /** timm's or torchvision's name, without the tag that names weights. */
  readonly name: string;
  readonly family: string;
  /**
   * Parameter names that every checkpoint of the family has, pruned or not, and that tell it from other families: one list
   * for each way in which libraries name them.
   */
  readonly signatures: readonly (readonly string[])[];
  /** Taken for a checkpoint of just its widths only: a toy, whose activations and eps no other small network has. */
  readonly exact?: boolean;
  build(options?: BuildOptions): Graph;
}

export const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
export const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

/**
 * ImageNet input of one side length: mean and std of ImageNet, resized to 256/224 of the crop, as the paper's scripts do for
 * every network (timm's own figure for some is 1/0.9).
 */
export function imageNetInput(side = 224, overrides: Partial<InputConfig> = {}): InputConfig {
  return {
    channels: 3,
    height: side,
    width: side,
    mean: IMAGENET_MEAN,
    std: IMAGENET_STD,
    resize: usualResize(side),
    interpolation: 'bilinear',
    ...overrides,
  };
}
