/** The worker process: owns the engine, answers the host over the IPC channel that it was forked with. */
import {
  type CancellationToken,
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import type { Envelope, WorkerMethod, WorkerNotifications } from '../protocol/messages.ts';
import type { ErrorShape } from '../protocol/values.ts';
import type { Handler } from './handler.ts';
import { handlers } from './handlers.ts';
import { ProgressMeter } from './progress-meter.ts';
import { toResponseError } from './wire-errors.ts';

/** Runs under way end within this time after the host is gone or asked for it; then the process ends all the same. */
const STOP_TIMEOUT_MS = 1500;

const running = new Set<AbortController>();

/** To the extension's output channel. */
const note = (text: string): void => void process.stderr.write(`${text}\n`);

function serve<M extends WorkerMethod>(connection: MessageConnection, method: M, handler: Handler<M>): void {
  const notify = <K extends keyof WorkerNotifications>(name: K, value: WorkerNotifications[K]): void => {
    void connection.sendNotification(name, value);
  };
  const answer = async (
    { params, progress: token }: Envelope<M>,
    cancellation: CancellationToken,
  ): Promise<unknown> => {
    const controller = new AbortController();
    running.add(controller);
    cancellation.onCancellationRequested(() => controller.abort());
    const meter = new ProgressMeter((report) => token && notify('progress', { token, report }));
    try {
      return await handler(params, { signal: controller.signal, progress: meter.report, note, notify });
    } catch (error) {
      return toResponseError(error, controller.signal);
    } finally {
      running.delete(controller);
    }
  };
  connection.onRequest<unknown, ErrorShape>(method, answer);
}

function stop(): void {
  for (const controller of running) controller.abort();
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  const timer = setInterval(() => {
    if (running.size === 0 || Date.now() > deadline) {
      clearInterval(timer);
      process.exit(0);
    }
  }, 20);
}

function main(): void {
  if (!process.send) {
    process.stderr.write('The worker is started by the extension, over an IPC channel.\n');
    process.exit(2);
  }
  const connection = createMessageConnection(new IPCMessageReader(process), new IPCMessageWriter(process));
  for (const [method, handler] of Object.entries(handlers)) {
    serve(connection, method as WorkerMethod, handler as Handler<WorkerMethod>);
  }
  process.once('disconnect', stop);
  process.once('SIGTERM', stop);
  // Ctrl-C in the terminal that the host was started from is for the host, which then ends this.
  process.on('SIGINT', () => undefined);
  connection.listen();
  void connection.sendNotification('worker/ready', { pid: process.pid, node: process.version });
}

main();
