/** The int64 counters of programs (num_batches_tracked): on the host, beside any backend. */
import type { Tensor, Weights } from '../../graph/tensor.ts';
import type { Program } from './program.ts';

export class Counters {
  readonly #values = new Map<string, bigint>();

  constructor(programs: readonly Program[]) {
    for (const name of programs.flatMap((program) => program.counters)) this.#values.set(name, 0n);
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  assign(weights: Weights): void {
    for (const name of this.#values.keys()) {
      const tensor = weights.get(name);
      if (tensor) this.#values.set(name, BigInt(tensor.data[0]));
    }
  }

  read(name: string): Tensor<'int64'> {
    return { dtype: 'int64', shape: [], data: BigInt64Array.of(this.#values.get(name) ?? 0n) };
  }

  count(program: Program): void {
    for (const name of program.counters) this.#values.set(name, (this.#values.get(name) ?? 0n) + 1n);
  }
}
