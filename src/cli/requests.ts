/** From parsed flags to the engine's requests. */

import { UsageError } from '../common/errors.ts';
import type { FlagValues } from '../common/flags.ts';
import type { DataRequest } from '../engine/jobs/evaluate.ts';
import type { ModelRequest } from '../engine/jobs/opening/model.ts';
import type { dataFlags, modelFlags } from './command.ts';

type ModelValues = FlagValues<typeof modelFlags> & Partial<FlagValues<typeof dataFlags>>;

function headList(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const heads = text.split(',').map(Number);
  if (heads.some((n) => !Number.isInteger(n) || n < 1))
    throw new UsageError(`--heads needs numbers such as 3 or 3,2,2, got "${text}"`);
  return heads;
}

/** The model of `--model` or of the first positional argument. */
export function modelRequest(values: ModelValues, positionals: readonly string[] = []): ModelRequest {
  const [named] = positionals;
  if (values.model !== undefined && named !== undefined)
    throw new UsageError(`unexpected argument "${named}": the model is ${values.model} already`);
  const model = values.model ?? named;
  if (!model) throw new UsageError('no model: give --model NAME|FILE');
  const heads = headList(values.heads);
  return {
    model,
    ...(values.ckpt !== undefined && { ckpt: values.ckpt }),
    ...(values.useEma && { useEma: true }),
    ...(values.isTorchvision && { torchvision: true }),
    ...(values.numClasses !== undefined && { classes: values.numClasses }),
    ...(heads && { heads }),
    ...(values.pixels && { pixels: values.pixels }),
    ...(values.fit && { fit: values.fit }),
    ...(values.bgr && { bgr: true }),
    ...(values.inputSize !== undefined && { inputSize: values.inputSize }),
  };
}

type DataValues = FlagValues<typeof dataFlags> & { readonly batchSize?: number };

/** The same for a command that needs weights: those of a name alone are looked for where timm and torchvision keep them. */
export function weightsRequest(values: ModelValues, positionals: readonly string[] = []): ModelRequest {
  return { ...modelRequest(values, positionals), pretrained: values.isTorchvision ? 'torchvision' : 'timm' };
}

/** The images of `--data-path`, prepared as asked. */
export function dataRequest(values: DataValues): DataRequest {
  const { interpolation, valResize, noImagenetMeanStd, synsets, workers, batchSize } = values;
  return {
    dataPath: requireDataPath(values.dataPath),
    noImagenetMeanStd,
    ...(interpolation && { interpolation }),
    ...(valResize !== undefined && { valResize }),
    ...(synsets !== undefined && { synsets }),
    ...(workers !== undefined && { workers }),
    ...(batchSize !== undefined && { batchSize }),
  };
}

/** Where the paper's scripts look for images when nothing is said. */
export const USUAL_DATA_PATH = 'data/imagenet';

/** The folder of `--data-path`, or the usual one: that it is not there is said when it is opened. */
export const requireDataPath = (dataPath: string | undefined): string => dataPath ?? USUAL_DATA_PATH;
