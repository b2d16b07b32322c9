/** The networks of a finetuning run: as it is trained and, where sizes differ, as it is evaluated. */

import { UserError } from '../../common/errors.ts';
import type { Graph } from '../graph/graph.ts';
import { inputShape } from '../graph/graph.ts';
import { formatShape } from '../graph/shapes.ts';
import { leastTrainingBatch } from '../training/batch-limits.ts';
import type { TrainingOptions } from '../training/training-options.ts';
import { type Model, type ModelRequest, openModel } from './opening/model.ts';

export interface FinetuneModels {
  /** For images of `--val-crop-size`; this is what checkpoints hold. */
  readonly model: Model;
  /** For images of `--train-crop-size`: the same parameters. */
  readonly training: Graph;
}

const parameterShapes = (graph: Graph): string =>
  graph.parameters.map(({ name, shape }) => `${name} ${formatShape(shape)}`).join('\n');

/** Opens the model with the run's drop rates, for both sizes of image. Throws UserError where the settings do not fit it. */
export async function openFinetuneModels(request: ModelRequest, options: TrainingOptions): Promise<FinetuneModels> {
  const open = (inputSize: number | undefined): Promise<Model> =>
    openModel({
      ...request,
      ...(inputSize !== undefined && { inputSize }),
      ...(options.stochasticDepth !== undefined && { dropPath: options.stochasticDepth }),
      ...(options.drop !== undefined && { dropout: options.drop }),
    });
  const model = await open(options.valCropSize);
  const side = options.trainCropSize ?? request.inputSize ?? model.graph.input.height;
  const training = side === model.graph.input.height ? model.graph : (await open(side)).graph;
  if (parameterShapes(training) !== parameterShapes(model.graph))
    throw new UserError(
      `${model.graph.name} has other parameters for images of ${side} than of ${model.graph.input.height} pixels: ` +
        'give --train-crop-size and --val-crop-size the same size.',
    );
  checkBatchSize(training, options.batchSize);
  return { model, training };
}

function checkBatchSize(graph: Graph, batchSize: number): void {
  const least = leastTrainingBatch(graph);
  if (batchSize < least)
    throw new UserError(
      `--batch-size ${batchSize} is too small: with images of ${formatShape(inputShape(graph))} a batch norm of ${graph.name} ` +
        `sees one value a channel, which has no variance. Take at least ${least}.`,
    );
}
