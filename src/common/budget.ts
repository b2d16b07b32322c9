/**
 * What opening one file may cost. A file says itself how much is unfolded from it, so everything that is made of it is
 * counted in one place, and a file that asks for more than its size can explain is refused with its name and the limit.
 */
import { UserError } from './errors.ts';

/** What is counted, with how a limit is said. */
const COUNTED = {
  values: (amount: number) => `${amount} values`,
  bytes: (amount: number) => `${Math.round(amount / 2 ** 20)} MB of unpacked data`,
  nodes: (amount: number) => `${amount} operations and modules`,
  work: (amount: number) => `${Math.round(amount / 1e6)} million computed numbers`,
} as const;

export type Counted = keyof typeof COUNTED;

/** For a file of no size, and for each of its bytes. The largest files that people have need less than a tenth of it. */
export const LIMITS: { readonly [C in Counted]: { readonly base: number; readonly perByte: number } } = {
  /** Numbers, strings, lists and records that are held: items of a pickle, of a header, of an ONNX message. */
  values: { base: 300_000, perByte: 0.15 },
  /** Tensors and constants, beside the file itself. Half precision becomes twice as much as it was. */
  bytes: { base: 64 * 2 ** 20, perByte: 2 },
  /** Of a network. */
  nodes: { base: 30_000, perByte: 0.02 },
  /** Elements that are computed while a network is read: constants folded, strides followed. */
  work: { base: 10_000_000, perByte: 1.5 },
};

/** Seconds of reading, by the clock and by the processor both; a slow machine or disk alone does not count. */
const SECONDS = { base: 4, perMegabyte: 1 } as const;
const CHECK_EVERY = 1024;

/** A file that asks for more than the budget of its size. */
export class BudgetError extends UserError {}

export class Budget {
  readonly #spent: Record<Counted, number> = { values: 0, bytes: 0, nodes: 0, work: 0 };
  readonly #started = performance.now();
  readonly #startedProcessor = processorSeconds();
  #untilCheck = CHECK_EVERY;

  constructor(
    /** The file, for messages. */
    readonly file: string,
    private fileBytes: number,
    private readonly signal?: AbortSignal,
  ) {}

  /** Counts a file that belongs to it: weights beside a network. */
  include(bytes: number): void {
    this.fileBytes += bytes;
  }

  /** Most that may be spent of one thing. */
  limit(what: Counted): number {
    const { base, perByte } = LIMITS[what];
    return Math.floor(base + perByte * this.fileBytes);
  }

  /** Counts what is about to be made. Throws BudgetError where it is too much, and what the signal says when it is aborted. */
  spend(what: Counted, amount = 1): void {
    this.#spent[what] += amount;
    // Not a number fails too.
    if (!(this.#spent[what] <= this.limit(what))) {
      throw new BudgetError(
        `${this.file} would unfold to more than ${COUNTED[what](this.limit(what))}, the limit for a file of ${this.fileBytes} bytes: it is damaged, or made to exhaust this machine.`,
      );
    }
    this.#untilCheck -= 1;
    if (this.#untilCheck <= 0) this.check();
  }

  /** Throws where the time is over, or the reading was aborted. */
  check(): void {
    this.#untilCheck = CHECK_EVERY;
    this.signal?.throwIfAborted();
    const seconds = SECONDS.base + (SECONDS.perMegabyte * this.fileBytes) / 2 ** 20;
    const passed = (performance.now() - this.#started) / 1000;
    if (passed > seconds && processorSeconds() - this.#startedProcessor > seconds)
      throw new BudgetError(
        `${this.file} takes longer to read than ${Math.round(seconds)} seconds, the limit for a file of ${this.fileBytes} bytes: it is damaged, or made to exhaust this machine.`,
      );
  }
}

/** Processor time of this process; in a browser the clock's. */
function processorSeconds(): number {
  if (typeof process === 'undefined' || typeof process.cpuUsage !== 'function') return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
