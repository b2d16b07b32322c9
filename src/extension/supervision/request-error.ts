/** What a request to the worker is rejected with. */
import { ResponseError } from 'vscode-jsonrpc/node';
import { ERROR_CODE } from '../../protocol/messages.ts';
import type { ErrorKind, ErrorShape } from '../../protocol/values.ts';
import type { Death } from './worker-process.ts';

export class RequestError extends Error {
  override readonly name = 'RequestError';

  constructor(
    readonly kind: ErrorKind,
    message: string,
    /** Stack in the worker, for the log. */
    readonly workerStack?: string,
    /** The worker died by itself: the same request may well be answered by the next one. */
    readonly died = false,
  ) {
    super(message);
  }
}

export const isCancelled = (error: unknown): boolean => error instanceof RequestError && error.kind === 'cancelled';
/** The worker died under the request: what it did can be tried again. */
export const isWorkerLost = (error: unknown): boolean => error instanceof RequestError && error.kind === 'worker';

/** An error out of the connection as one that says what it is. */
export function toRequestError(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof ResponseError && error.code === ERROR_CODE) {
    const { kind, message, stack } = error.data as ErrorShape;
    return new RequestError(kind, message, stack);
  }
  const text = error instanceof Error ? error.message : String(error);
  return new RequestError('defect', text, error instanceof Error ? error.stack : undefined);
}

/** `The worker was killed (SIGKILL).` with its last words. */
export function describeDeath(death: Death): string {
  const how = death.error
    ? `The worker could not be started: ${death.error}.`
    : death.signal
      ? `The worker was killed (${death.signal}).`
      : `The worker ended with exit code ${death.code}.`;
  return death.lastLines ? `${how} It said last:\n${death.lastLines}` : how;
}
