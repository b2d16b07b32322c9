/** The reference interpreter as an executor: double precision from the inputs to the states, for tests of what runs programs. */
import type { Executor, ProgramInputs, ProgramOutputs, Session } from '../../src/compute/executor.ts';
import type { Program } from '../../src/compute/program.ts';
import { resolveInputs } from '../../src/compute/program-inputs.ts';
import { float32Tensor, toFloat32, type Weights } from '../../src/graph/tensor.ts';
import { interpret, type Values, values } from './interpreter.ts';

/** The double-precision value that an input was rounded from. */
export type Unrounded = (name: string, data: Float32Array | Int32Array) => ArrayLike<number>;

class InterpreterSession<Name extends string> implements Session<Name> {
  readonly #programs: Readonly<Record<Name, Program>>;
  readonly #unrounded: Unrounded;
  readonly #states = new Map<string, Values>();

  constructor(programs: Readonly<Record<Name, Program>>, unrounded: Unrounded) {
    this.#programs = programs;
    this.#unrounded = unrounded;
  }

  async assign(given: Weights): Promise<void> {
    const known = new Set(Object.values<Program>(this.#programs).flatMap(({ states }) => states.map((s) => s.name)));
    for (const [name, tensor] of given)
      if (known.has(name)) this.#states.set(name, values(tensor.shape, toFloat32(tensor)));
  }

  async read(names: Iterable<string> = this.#states.keys()): Promise<Weights> {
    return new Map(
      [...names].flatMap((name) => {
        const state = this.#states.get(name);
        return state ? [[name, float32Tensor(state.shape, Float32Array.from(state.data))] as const] : [];
      }),
    );
  }

  async reset(names: Iterable<string> = this.#states.keys()): Promise<void> {
    for (const name of names) this.#states.delete(name);
  }

  async run(name: Name, inputs: ProgramInputs, batch?: number): Promise<ProgramOutputs> {
    const program = this.#programs[name];
    const { tensors } = resolveInputs(program, inputs, batch);
    const given = Object.entries(tensors).map(([key, { shape, data }]) => {
      const number = inputs[key];
      return [key, values(shape, typeof number === 'number' ? [number] : this.#unrounded(key, data))] as const;
    });
    const { outputs, updates } = interpret(program, Object.fromEntries(given), this.#states);
    for (const [state, value] of updates) this.#states.set(state, value);
    return Object.fromEntries(Object.entries(outputs).map(([key, { data }]) => [key, Float32Array.from(data)]));
  }

  async dispose(): Promise<void> {
    this.#states.clear();
  }
}

export const interpreterExecutor = (unrounded: Unrounded = (_, data) => data): Executor => ({
  backend: 'embedded',
  label: 'reference interpreter',
  open: async (programs) => new InterpreterSession(programs, unrounded),
});
