/** One life of the worker: a forked process and the JSON-RPC connection over its IPC channel. */
import { type ChildProcess, fork } from 'node:child_process';
import {
  type CancellationToken,
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import type { Envelope, ResultOf, WorkerMethod, WorkerNotifications } from '../../protocol/messages.ts';
import { LastLines } from './last-lines.ts';

export interface WorkerCommand {
  /** JavaScript file that is the worker. */
  readonly entry: string;
  /** Node.js to run it with; the one that runs this when absent. */
  readonly node?: string;
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export type Listener<K extends keyof WorkerNotifications> = (value: WorkerNotifications[K]) => void;

/** How the process ended, and what it said last on stderr. */
export interface Death {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lastLines: string;
  /** It could not be started at all. */
  readonly error?: string;
}

const KEPT_LINES = 20;
const CLOSE_GRACE_MS = 300;

export class WorkerProcess {
  readonly pid: number | undefined;
  /** Settles when the process has ended; never rejects. */
  readonly death: Promise<Death>;
  private readonly child: ChildProcess;
  private readonly connection: MessageConnection;
  private readonly errors = new LastLines(KEPT_LINES);
  private ended = false;

  constructor(command: WorkerCommand, onLine: (line: string) => void) {
    this.child = fork(command.entry, [], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [...(command.execArgv ?? [])],
      ...(command.node && { execPath: command.node }),
      env: { ...process.env, ...command.env },
    });
    this.pid = this.child.pid;
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => onLine(text.trimEnd()));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      for (const line of this.errors.push(text)) onLine(line);
    });
    this.connection = createMessageConnection(new IPCMessageReader(this.child), new IPCMessageWriter(this.child));
    // Errors of the channel end in the process's death, which is what everybody waits for.
    this.connection.onError(() => undefined);
    this.death = this.watch();
    this.connection.listen();
  }

  private watch(): Promise<Death> {
    return new Promise((resolve) => {
      const end = (death: Omit<Death, 'lastLines'>): void => {
        if (this.ended) return;
        this.ended = true;
        this.connection.dispose();
        resolve({ ...death, lastLines: this.errors.text });
      };
      // `close` comes after stderr was read to its end, but not when the channel was cut or a grandchild holds stderr open.
      this.child.once('close', (code, signal) => end({ code, signal }));
      this.child.once('exit', (code, signal) => setTimeout(() => end({ code, signal }), CLOSE_GRACE_MS));
      this.child.once('error', (error) => {
        if (this.child.pid === undefined) end({ code: null, signal: null, error: error.message });
      });
    });
  }

  get alive(): boolean {
    return !this.ended;
  }

  on<K extends keyof WorkerNotifications>(name: K, listener: Listener<K>): void {
    this.connection.onNotification(name, listener);
  }

  request<M extends WorkerMethod>(method: M, envelope: Envelope<M>, token: CancellationToken): Promise<ResultOf<M>> {
    return this.connection.sendRequest<ResultOf<M>>(method, envelope, token);
  }

  /** Asks the process to end, and ends it when it has not within `graceMs`. Resolves when it is gone. */
  async kill(graceMs: number): Promise<void> {
    if (this.ended) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
    await this.death;
    clearTimeout(timer);
  }
}
