/** The states of a session's programs: two arrays each, one that is read and one that the next run writes. */
import { elementCount, float32Tensor, type Tensor, toFloat32, type Weights } from '../../graph/tensor.ts';
import { type Program, type StateSpec, unitedStates } from '../programs/program.ts';

interface Buffer {
  current?: Float32Array;
  /** What the last run but one left, free to be written; made at the first update. */
  spare?: Float32Array;
  /** When the state last changed. */
  changed: number;
}

export class StateBuffers {
  readonly specs: ReadonlyMap<string, StateSpec>;
  readonly #buffers = new Map<string, Buffer>();
  #clock = 0;

  constructor(programs: readonly Program[]) {
    this.specs = unitedStates(programs);
    for (const name of this.specs.keys()) this.#buffers.set(name, { changed: 0 });
    this.reset('');
  }

  spec(name: string): StateSpec {
    const spec = this.specs.get(name);
    if (!spec) throw new Error(`no program has a state ${name}`);
    return spec;
  }

  /** The values as they lie; valid until the state changes. Throws where it has none yet. */
  current(name: string): Float32Array {
    const data = this.#buffer(name).current;
    if (!data) throw new Error(`${name} has no value: it was not assigned`);
    return data;
  }

  /** An array of the state's size that a run may write to. */
  spare(name: string): Float32Array {
    const buffer = this.#buffer(name);
    buffer.spare ??= new Float32Array(elementCount(this.spec(name).shape));
    return buffer.spare;
  }

  /** Makes an array the state's values; what they were before may be written from now on. */
  advance(name: string, data: Float32Array): void {
    const buffer = this.#buffer(name);
    buffer.spare = buffer.current;
    buffer.current = data;
    buffer.changed = ++this.#clock;
  }

  /** When the youngest of these states changed. */
  lastChange(names: Iterable<string>): number {
    let last = 0;
    for (const name of names) last = Math.max(last, this.#buffer(name).changed);
    return last;
  }

  /** Sets the states that there are among the values. */
  assign(values: Weights): void {
    for (const [name, tensor] of values) {
      const spec = this.specs.get(name);
      if (!spec) continue;
      if (String(spec.shape) !== String(tensor.shape))
        throw new Error(`${name} is [${tensor.shape}], the network takes [${spec.shape}]`);
      this.#write(name).set(toFloat32(tensor));
    }
  }

  read(name: string): Tensor<'float32'> {
    return float32Tensor(this.spec(name).shape, this.current(name).slice());
  }

  /** Gives the states whose names begin with `prefix` their initial value, where they have one. */
  reset(prefix: string): void {
    for (const { name, initial } of this.specs.values())
      if (initial !== undefined && name.startsWith(prefix)) this.#write(name).fill(initial);
  }

  dispose(): void {
    this.#buffers.clear();
  }

  #buffer(name: string): Buffer {
    this.spec(name);
    return this.#buffers.get(name) as Buffer;
  }

  /** The array of a state that is about to change as a whole. */
  #write(name: string): Float32Array {
    const buffer = this.#buffer(name);
    buffer.current ??= new Float32Array(elementCount(this.spec(name).shape));
    buffer.changed = ++this.#clock;
    return buffer.current;
  }
}
