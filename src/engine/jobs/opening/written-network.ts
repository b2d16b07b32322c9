/** What networks have in common that a file writes down operator by operator (ONNX, `.pt2`). */
import { UserError } from '../../../common/errors.ts';
import { findNonFinite } from '../../checkpoint/convert.ts';
import type { Weights } from '../../graph/tensor.ts';
import type { ModelRequest } from './model-types.ts';

/** What can be asked of a checkpoint, and why it has no meaning here. */
type Refusal = readonly [isAsked: (request: ModelRequest) => boolean, why: string];

const ALWAYS: readonly Refusal[] = [
  [({ useEma }) => Boolean(useEma), 'it holds no EMA weights'],
  [({ dropPath }) => Boolean(dropPath), 'it was exported without stochastic depth, which cannot be put back'],
  [({ dropout }) => Boolean(dropout), 'its rate of dropout cannot be changed'],
];

/**
 * @param what the file is: `an ONNX file`
 * @throws UserError when something is asked that such a file does not have
 */
export function refuseRequest(file: string, what: string, request: ModelRequest, more: readonly Refusal[] = []): void {
  for (const [isAsked, why] of [...ALWAYS, ...more])
    if (isAsked(request)) throw new UserError(`${file} is ${what}: ${why}.`);
}

/** @throws UserError naming the first tensor with values that are no numbers */
export function finiteWeights(file: string, weights: Weights): Weights {
  const [wrong] = findNonFinite(weights);
  if (!wrong) return weights;
  throw new UserError(
    `${file}: ${wrong.count} values of tensor ${wrong.name} are no numbers: the file is damaged, or its training diverged.`,
  );
}
