/** A process that answers every line with a line of JSON. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** Characters of stderr that a failure quotes from. */
const KEPT_OUTPUT = 4000;

export class Side<Answer> {
  readonly #process: ChildProcess;
  #waiting: Waiting<Answer> | undefined;
  #errors = '';

  constructor(program: string, args: readonly string[]) {
    this.#process = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    if (!this.#process.stdout) throw new Error('no output');
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      if (line.startsWith('{')) this.#waiting?.resolve(JSON.parse(line) as Answer);
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-KEPT_OUTPUT);
    });
    this.#process.on('close', (code) => this.#fail(`${program} ended with code ${code}`));
    this.#process.on('error', (error) => this.#fail(error.message));
    this.#process.stdin?.on('error', () => undefined); // its end is reported by 'close'
  }

  ask(command: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
    });
  }

  kill(): void {
    this.#process.kill();
  }

  #fail(what: string): void {
    const said = this.#errors.split('\n').filter((line) => /\S/.test(line));
    const reason = said.findLast((line) => /error/i.test(line)) ?? said.at(-1);
    this.#waiting?.reject(new Error(reason ? `${what}: ${reason.trim()}` : what));
  }
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];
