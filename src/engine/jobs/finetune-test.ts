/** `--test-only`: the accuracy of what a finetuning run would begin with, or has come to. */
import { existsSync } from 'node:fs';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import { AVERAGE_PREFIX } from '../compute/programs/programs.ts';
import type { Weights } from '../graph/tensor.ts';
import { LATEST, RunDirectory } from '../training/run-directory.ts';
import { readRunState } from '../training/run-state.ts';
import { type EvaluationReport, evaluateModel } from './evaluate.ts';
import { openFinetuneModels } from './finetune-models.ts';
import { evaluationData, type FinetuneRequest, settledRequest } from './finetune-request.ts';

/** The weights that a run has come to, or their moving average. */
async function reachedWeights(place: string, average: boolean): Promise<Weights> {
  const run = await RunDirectory.open(place);
  if (!existsSync(run.file(LATEST))) throw new UserError(`${run.path} has no ${LATEST} yet.`);
  const { tensors } = await readRunState(run.file(LATEST));
  if (!average) return tensors;
  const averages = [...tensors].filter(([name]) => name.startsWith(AVERAGE_PREFIX));
  if (!averages.length) throw new UserError(`${run.path} keeps no moving average: leave --model-ema out.`);
  return new Map(averages.map(([name, tensor]) => [name.slice(AVERAGE_PREFIX.length), tensor]));
}

/** Evaluates in place of training; nothing is written. With `resume`, what that run has come to (the average, with `modelEma`). */
export async function testModel(
  request: FinetuneRequest,
  executor: Executor,
  context: RunContext = {},
): Promise<EvaluationReport> {
  const settled = settledRequest(request);
  const { options } = settled;
  if (options.imitate)
    throw new UserError(
      '--test-only gives the accuracy of classifiers: `espalier evaluate --teacher DENSE` compares outputs.',
    );
  const { model } = await openFinetuneModels(settled.model, options);
  const weights =
    options.resume === undefined
      ? await model.weights(context)
      : await reachedWeights(options.resume, options.modelEma);
  return evaluateModel({ ...model, weights }, evaluationData(settled), { executor }, context);
}
