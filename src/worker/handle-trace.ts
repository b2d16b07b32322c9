/** Models from code: what is run, and running it. */
import { TRACE_SCRIPT, type TraceWords, traceModule } from '../engine/jobs/trace.ts';
import type { Handler } from './handler.ts';

const BUTTONS: TraceWords = {
  python: 'choose another with the command "Python: Select Interpreter"',
  path: 'open the folder that it lies in, or install it',
};

export const showTraceScript: Handler<'trace/script'> = async () => ({ script: TRACE_SCRIPT });

export const runTrace: Handler<'trace/run'> = async (request, context) => ({
  saved: request.output,
  notes: await traceModule(request, context, BUTTONS),
});
