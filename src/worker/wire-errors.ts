/** Errors as they cross to the host: what the person is told, or a defect with its stack for the log. */
import { ResponseError } from 'vscode-jsonrpc/node';
import { UsageError, UserError } from '../common/errors.ts';
import { visible } from '../common/visible.ts';
import { ERROR_CODE } from '../protocol/messages.ts';
import type { ErrorShape } from '../protocol/values.ts';
import { inEditorWords } from './editor-words.ts';

/** A plan asks for scores that this worker does not hold: they were computed in an earlier life of it. */
export class ScoresMissingError extends Error {
  override readonly name = 'ScoresMissingError';
}

/** A plan asks for times that are not known here: another runtime computes now, or they were not kept. */
export class TimesMissingError extends Error {
  override readonly name = 'TimesMissingError';
}

export function errorShape(error: unknown, signal: AbortSignal): ErrorShape {
  if (error instanceof ScoresMissingError) return { kind: 'scoresMissing', message: error.message };
  if (error instanceof TimesMissingError) return { kind: 'timesMissing', message: error.message };
  // Whatever an aborted function threw on its way out, it stopped because it was told to.
  if (signal.aborted) return { kind: 'cancelled', message: 'Cancelled.' };
  if (error instanceof UserError || error instanceof UsageError)
    return { kind: 'user', message: inEditorWords(error.message) };
  if (error instanceof Error) return { kind: 'defect', message: error.message, stack: error.stack };
  return { kind: 'defect', message: String(error) };
}

export function toResponseError(error: unknown, signal: AbortSignal): ResponseError<ErrorShape> {
  const found = errorShape(error, signal);
  const shape = { ...found, message: visible(found.message) };
  return new ResponseError(ERROR_CODE, shape.message, shape);
}
