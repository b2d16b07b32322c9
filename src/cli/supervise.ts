/**
 * Commands that compute run in a process of their own: a training step of a large network takes TensorFlow many seconds in which
 * nothing else is heard, and Ctrl-C is to end the command within two.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { UserError } from '../common/errors.ts';
import { say } from './terminal.ts';

/** Environment variable of the computing process. */
export const SUPERVISED = 'ESPALIER_SUPERVISED';
const STOP = 'stop';
/** After Ctrl-C a run stops between two steps; if it has not by then, its process ends. Files are written whole or not at all. */
const STOP_TIMEOUT_MS = 1800;

/** Whether this process does the computing. */
export const isSupervised = (): boolean => process.env[SUPERVISED] !== undefined;

/** Ends the child on Ctrl-C; `isAsked` says whether that has happened. */
function stopOnInterrupt(child: ChildProcess): { isAsked(): boolean } {
  let asked = false;
  const stop = (): void => {
    // The second Ctrl-C does not wait.
    if (asked || !child.connected) child.kill('SIGKILL');
    else child.send(STOP);
    if (!asked) setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS).unref();
    asked = true;
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return { isAsked: () => asked };
}

/** Runs this program with the same arguments in another process, and resolves with its exit code. */
export function supervise(args: readonly string[]): Promise<number> {
  const child = fork(process.argv[1], args, { env: { ...process.env, [SUPERVISED]: '1' }, stdio: 'inherit' });
  const interrupt = stopOnInterrupt(child);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (signal) say(`espalier: ${interrupt.isAsked() ? 'stopped' : `the computing process was ended (${signal})`}`);
      resolve(code ?? 1);
    });
  });
}

/**
 * A signal that is aborted by Ctrl-C (or the supervisor, which hears it in its place). A run that does not stop in time
 * is ended.
 */
export function abortOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    controller.abort(new UserError('stopped'));
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  };
  if (process.send) {
    // A terminal sends Ctrl-C to both processes.
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => undefined);
    process.on('message', (message) => {
      if (message === STOP) stop();
    });
    process.once('disconnect', () => process.exit(1));
  } else for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, stop);
  return controller.signal;
}
