/** The form of a function that answers a request. */

import type { RunContext } from '../common/progress.ts';
import type { ParamsOf, ResultOf, WorkerMethod, WorkerNotifications } from '../protocol/messages.ts';

/** Besides its parameters, what a handler has: the run's signal and progress, and the way to notify. */
interface HandlerContext extends Required<RunContext> {
  notify<K extends keyof WorkerNotifications>(name: K, value: WorkerNotifications[K]): void;
}

export type Handler<M extends WorkerMethod> = (
  params: ParamsOf<M>,
  context: HandlerContext,
) => ResultOf<M> | Promise<ResultOf<M>>;
