/** A process that answers every line with a line of JSON. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class Side<Answer> {
  readonly #process: ChildProcess;
  #waiting: Waiting<Answer> | undefined;

  constructor(program: string, args: readonly string[]) {
    this.#process = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    if (!this.#process.stdout) throw new Error('no output');
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      if (line.startsWith('{')) this.#waiting?.resolve(JSON.parse(line) as Answer);
    });
    this.#process.on('exit', (code) => this.#waiting?.reject(new Error(`${program} ended with code ${code}`)));
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
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];
