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

const numbersIn = (text: string | undefined): number[] => (text?.match(/[\d.]+/g) ?? []).map(Number);

/** How images are prepared: the file's metadata where it says so, as ImageNet's otherwise. */
export function configOf(
  { metadata }: OnnxModel,
  images: Pick<InputConfig, 'channels' | 'height' | 'width'>,
): InputConfig {
  const triple = (key: string): [number, number, number] | undefined => {
    const [a, b, c, ...rest] = numbersIn(metadata.get(key));
    return c === undefined || rest.length || ![a, b, c].every(Number.isFinite) ? undefined : [a, b, c];
  };
  const [mean, std] = [triple('mean'), triple('std')];
  const interpolation = (['bilinear', 'bicubic', 'lanczos', 'nearest'] as const).find(
    (name) => name === metadata.get('interpolation'),
  );
  const resize = Number(metadata.get('resize'));
  const { channels, height, width } = images;
  return {
    channels,
    height,
    width,
    mean: mean ?? IMAGENET_MEAN,
    std: std ?? IMAGENET_STD,
    resize: Number.isInteger(resize) && resize > 0 ? resize : usualResize(Math.min(height, width)),
    interpolation: interpolation ?? 'bilinear',
  };
}

/** Of another network than a classifier the whole image counts, not its centre. */
export function wholeImageOf({ metadata }: OnnxModel, classes: number): Pick<InputConfig, 'fit' | 'order'> {
  const said = (['stretch', 'letterbox'] as const).find((fit) => fit === metadata.get('fit'));
  const fit = said ?? (classes === 0 ? 'stretch' : undefined);
  return { ...(fit && { fit }), ...(metadata.get('order') === 'bgr' && { order: 'bgr' }) };
}
