/** Every model known by name. */
import type { Graph } from '../graph/graph.ts';
import { cifarResnetVariants } from './cifar-resnet.ts';
import { convNeXtVariants } from './convnext.ts';
import { deitVariants } from './deit.ts';
import { denseNetVariants } from './densenet.ts';
import { efficientNetVariants } from './efficientnet.ts';
import { mobileNetVariants } from './mobilenet.ts';
import { regNetVariants } from './regnet.ts';
import { resnetVariants } from './resnet.ts';
import { swinVariants } from './swin.ts';
import type { BuildOptions, Variant } from './variant.ts';
import { vggVariants } from './vgg.ts';

export const variants: readonly Variant[] = [
  ...cifarResnetVariants,
  ...resnetVariants,
  ...deitVariants,
  ...convNeXtVariants,
  ...swinVariants,
  ...mobileNetVariants,
  ...regNetVariants,
  ...vggVariants,
  ...denseNetVariants,
  ...efficientNetVariants,
];

const byName = new Map(variants.map((variant) => [variant.name, variant]));

/** The variant of a timm or torchvision name; a tag after a dot (`.fb_in1k`) only names weights. */
export function findVariant(name: string): Variant | undefined {
  return byName.get(name) ?? byName.get(name.split('.')[0]);
}

/** Builds a model by name, or undefined when no model has it. */
export function buildModel(name: string, options?: BuildOptions): Graph | undefined {
  return findVariant(name)?.build(options);
}
