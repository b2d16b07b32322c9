/** What an ONNX file says of its network beside the operators: its name, and how images are prepared. */
import { usualResize } from '../../../common/image-size.ts';
import { IMAGENET_MEAN, IMAGENET_STD } from '../../architectures/variant.ts';
import type { InputConfig } from '../../graph/graph.ts';
import type { OnnxModel } from './onnx-proto.ts';

/** Names that exporters give to every graph. */
const NO_NAME = /^(main_graph|torch[-_]jit.*|graph|model|tf2onnx|)$/i;

export function nameOf({ graphName }: OnnxModel, file: string): string {
  if (!NO_NAME.test(graphName) && /^[\w.-]{1,80}$/.test(graphName)) return graphName;
  const base = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
  return base.replace(/\.onnx$/i, '') || 'model';
}

const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi;
type Triple = readonly [number, number, number];

/** Three numbers, one for each channel, or one for all of them. */
function tripleIn(text: string): Triple | undefined {
  const numbers = (text.match(NUMBER) ?? []).map(Number);
  const [a, b = a, c = a] = numbers;
  const isTriple = numbers.length === 1 || numbers.length === 3;
  return isTriple && numbers.every(Number.isFinite) ? [a, b, c] : undefined;
}

/** How pixels from 0 to 1 are normalised, as the metadata says; undefined where it does not, or says what is no normalisation. */
export function normalisationOf(
  { metadata }: OnnxModel,
  notes: string[] = [],
): Pick<InputConfig, 'mean' | 'std'> | undefined {
  const texts = [metadata.get('mean'), metadata.get('std')];
  const [mean, std] = texts.map((text) => (text === undefined ? undefined : tripleIn(text)));
  if (mean && std?.every((value) => value > 0)) {
    // Nothing that lies between 0 and 1 has such a mean or spread: the figures are of pixels up to 255.
    if ([...mean, ...std].every((value) => value <= 1)) return { mean, std };
    const by255 = ([a, b, c]: Triple): Triple => [a / 255, b / 255, c / 255];
    notes.push(
      `the file's mean ${mean.join(', ')} and std ${std.join(', ')} are taken as those of pixels from 0 to 255`,
    );
    return { mean: by255(mean), std: by255(std as Triple) };
  }
  if (texts.some((text) => text !== undefined)) {
    const said = (['mean', 'std'] as const).map((key) => `${key} ${JSON.stringify(metadata.get(key) ?? 'not given')}`);
    notes.push(
      `the file's metadata (${said.join(', ')}) says no mean and std of channels: they are not used; --pixels says which pixels the network takes`,
    );
  }
  return undefined;
}

const INTERPOLATIONS = ['bilinear', 'bicubic', 'lanczos', 'nearest'] as const;

/** How images are prepared: the file's metadata where it says so, as ImageNet's otherwise. What it says in vain is noted. */
export function configOf(
  model: OnnxModel,
  images: Pick<InputConfig, 'channels' | 'height' | 'width'>,
  notes: string[],
): InputConfig {
  const { metadata } = model;
  const normalisation = normalisationOf(model, notes) ?? { mean: IMAGENET_MEAN, std: IMAGENET_STD };
  const said = metadata.get('interpolation');
  const interpolation = INTERPOLATIONS.find((name) => name === said?.toLowerCase());
  if (said !== undefined && !interpolation)
    notes.push(`the file asks for the interpolation ${JSON.stringify(said)}, which is not known: bilinear is taken`);
  const { channels, height, width } = images;
  const usual = usualResize(Math.min(height, width));
  const size = metadata.get('resize');
  const resize = Number(size);
  const isSize = Number.isInteger(resize) && resize > 0;
  if (size !== undefined && !isSize)
    notes.push(
      `the file asks for images resized to ${JSON.stringify(size)}, which is no number of pixels: ${usual} is taken`,
    );
  return {
    channels,
    height,
    width,
    ...normalisation,
    resize: isSize ? resize : usual,
    interpolation: interpolation ?? 'bilinear',
  };
}

/** Of another network than a classifier the whole image counts, not its centre. */
export function wholeImageOf({ metadata }: OnnxModel, classes: number): Pick<InputConfig, 'fit' | 'order'> {
  const said = (['stretch', 'letterbox'] as const).find((fit) => fit === metadata.get('fit')?.toLowerCase());
  const fit = said ?? (classes === 0 ? 'stretch' : undefined);
  return { ...(fit && { fit }), ...(metadata.get('order')?.toLowerCase() === 'bgr' && { order: 'bgr' }) };
}
