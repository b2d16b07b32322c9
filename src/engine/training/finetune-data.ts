/** Loaders of a finetuning run: augmented training images and the validation images of every epoch. */
import type { AutomaticAugmentation } from '../data/augment/auto-augment.ts';
import { colorJitter } from '../data/augment/color-jitter.ts';
import type { Sample } from '../data/image-folder.ts';
import { ImageLoader } from '../data/loader.ts';
import type { Normalisation } from '../data/normalise.ts';
import { evalTransform, type Transform, trainTransform } from '../data/transforms.ts';
import type { Graph } from '../graph/graph.ts';
import type { TrainingOptions } from './training-options.ts';

const HALF: Normalisation = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

type DataOptions = Pick<TrainingOptions, 'interpolation' | 'noImagenetMeanStd'>;

const common = (graph: Graph, { interpolation, noImagenetMeanStd }: DataOptions) => ({
  interpolation: interpolation ?? graph.input.interpolation,
  ...(noImagenetMeanStd ? HALF : { mean: graph.input.mean, std: graph.input.std }),
  ...(graph.input.order && { order: graph.input.order }),
});

/** The whole image, where the network is evaluated on it. */
const whole = ({ input }: Graph) => (input.fit ? { fit: input.fit } : {});

/** What evaluation does to an image; sizes left out are the model's own. */
export function evaluationTransform(
  graph: Graph,
  options: DataOptions & { readonly valCropSize?: number; readonly valResizeSize?: number },
): Transform {
  const size = options.valCropSize ?? graph.input.height;
  const resize = options.valResizeSize ?? graph.input.resize;
  return evalTransform(size, { ...common(graph, options), ...whole(graph), resize });
}

type PolicyName = NonNullable<TrainingOptions['autoAugment']>;

const policies: { readonly [K in PolicyName]: (options: TrainingOptions) => AutomaticAugmentation } = {
  ra: ({ raMagnitude }) => ({ kind: 'ra', magnitude: raMagnitude }),
  ta_wide: () => ({ kind: 'ta_wide' }),
  augmix: ({ augmixSeverity }) => ({ kind: 'augmix', severity: augmixSeverity }),
  imagenet: () => ({ kind: 'policy', policy: 'imagenet' }),
};

/** The references rotate and shear with the interpolation of the resizing; Pillow's affine has no Lanczos. */
function automatic(graph: Graph, options: TrainingOptions): AutomaticAugmentation | undefined {
  if (!options.autoAugment) return undefined;
  const { interpolation } = common(graph, options);
  return {
    ...policies[options.autoAugment](options),
    interpolation: interpolation === 'lanczos' ? 'bicubic' : interpolation,
  };
}

/** What training does to an image. */
export function trainingTransform(graph: Graph, options: TrainingOptions): Transform {
  const size = options.trainCropSize ?? graph.input.height;
  if (options.noAugment) return evalTransform(size, { ...common(graph, options), ...whole(graph) });
  return trainTransform(size, {
    ...common(graph, options),
    flip: options.hflip,
    automatic: automatic(graph, options),
    ...(options.colorJitter && { colorJitter: colorJitter(options.colorJitter) }),
    ...(options.randomErase > 0 && { erase: { probability: options.randomErase } }),
  });
}

export function trainingLoader(graph: Graph, samples: readonly Sample[], options: TrainingOptions): ImageLoader {
  return new ImageLoader({
    samples,
    transform: trainingTransform(graph, options),
    batchSize: options.batchSize,
    shuffle: true,
    seed: options.seed,
    ...(options.raSampler && { repeats: options.raReps }),
    ...(options.workers !== undefined && { workers: options.workers }),
  });
}

export function validationLoader(graph: Graph, samples: readonly Sample[], options: TrainingOptions): ImageLoader {
  return new ImageLoader({
    samples,
    transform: evaluationTransform(graph, options),
    batchSize: options.batchSize,
    ...(options.workers !== undefined && { workers: options.workers }),
  });
}
