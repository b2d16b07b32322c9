/** The input of an ONNX model: which of its values holds images. */
import { UserError } from '../../../common/errors.ts';
import type { OnnxModel, OnnxValue } from './onnx-proto.ts';

const USUAL_SIDE = 224;
const MOST_PIXELS = 1 << 28;

export interface Images {
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly channelsLast: boolean;
  /** Its pixels are whole numbers: from 0 to 255. */
  readonly isInteger: boolean;
  /** The number of images that the file was made for, where it is a fixed one. */
  readonly fixedBatch: number | undefined;
}

const describe = (value: OnnxValue): string =>
  `'${value.name}' [${value.shape?.map((d) => d || '?').join(', ') ?? '?'}]`;

/** Types of TensorProto.DataType that images come in: floats, and whole numbers that hold 0 to 255. */
const FLOATS: readonly number[] = [1, 10, 11, 16];
const WHOLE_NUMBERS: readonly number[] = [2, 4, 5, 6, 7, 12, 13];

/** Throws UserError where the input's numbers cannot be pixels. */
function isWholeNumbers(input: OnnxValue, file: string): boolean {
  const { elementType = FLOATS[0] } = input;
  if (FLOATS.includes(elementType)) return false;
  if (WHOLE_NUMBERS.includes(elementType)) return true;
  throw new UserError(
    `${file}: the input ${describe(input)} has element type ${elementType} of ONNX; images are floating-point numbers or whole ones from 0 to 255.`,
  );
}

/** The one input that holds images. */
export function imagesOf(
  model: OnnxModel,
  { file, inputSize }: { readonly file: string; readonly inputSize?: number },
  notes: string[],
): Images {
  const inputs = model.inputs.filter(({ name }) => !model.initialisers.has(name));
  const [input, ...others] = inputs.filter(({ shape }) => shape?.length === 4);
  if (!input?.shape || others.length || inputs.length > 1)
    throw new UserError(
      `${file} takes ${inputs.map(describe).join(' and ') || 'nothing'}: Espalier needs one input of images [N, C, H, W].`,
    );
  const [batch, a, b, c] = input.shape;
  const isChannels = (d: number | string): boolean => d === 1 || d === 3 || d === 4;
  const channelsLast = isChannels(c) && !isChannels(a);
  const channels = channelsLast ? c : a;
  const [height, width] = channelsLast ? [a, b] : [b, c];
  if (typeof channels !== 'number' || channels < 1)
    throw new UserError(`${file}: the input ${describe(input)} does not say how many channels its images have.`);
  const side = (size: number | string): number =>
    inputSize ?? (typeof size === 'number' && size > 0 ? size : USUAL_SIDE);
  if (side(height) * side(width) > MOST_PIXELS)
    throw new UserError(`${file} takes images of ${side(height)} × ${side(width)} pixels, which no network does.`);
  if (inputSize === undefined && [height, width].some((d) => typeof d !== 'number'))
    notes.push(`the file leaves the size of images open: ${USUAL_SIDE} × ${USUAL_SIDE} is taken`);
  if (channels !== 3) notes.push(`its images have ${channels} channels: evaluation and finetuning need three`);
  if (channelsLast) notes.push('its images have their channels last; here they come first');
  const isInteger = isWholeNumbers(input, file);
  const fixedBatch = typeof batch === 'number' && batch > 0 ? batch : undefined;
  return { name: input.name, channels, height: side(height), width: side(width), channelsLast, isInteger, fixedBatch };
}
