/** The Executor on tfjs kernels: nothing to install, the same results as TensorFlow. */

import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import type { Tensor, Weights } from '../../graph/tensor.ts';
import type { Executor, ProgramInputs, ProgramOutputs, Session } from '../executor.ts';
import { Counters } from '../programs/counters.ts';
import type { Program, Ref } from '../programs/program.ts';
import { resolveInputs } from '../programs/program-inputs.ts';
import type { KernelContext, Laid } from './kernel-context.ts';
import { PreparedProgram } from './run-program.ts';
import { States } from './states.ts';
import { type LoadedTfjs, loadTfjs, type TfjsOptions } from './tfjs.ts';

/** The executor on the kernels that come with Espalier: WebAssembly where it works, plain JavaScript otherwise. One per process. */
export async function createEmbeddedExecutor(options: TfjsOptions = {}): Promise<Executor> {
  const tfjs = await loadTfjs(options);
  return {
    backend: 'embedded',
    label: `embedded kernels, ${tfjs.label}`,
    async open<Name extends string>(programs: Readonly<Record<Name, Program>>, context: RunContext = {}) {
      throwIfAborted(context.signal);
      const session: Session<Name> = new EmbeddedSession(tfjs, programs);
      context.progress?.({ phase: 'prepare', done: 1, total: 1 });
      return session;
    },
  };
}

class EmbeddedSession<Name extends string> implements Session<Name> {
  private readonly states: States;
  private readonly counters: Counters;
  private readonly prepared = new Map<Name, PreparedProgram>();
  /** The end of what was asked for last: requests run one after the other. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly tfjs: LoadedTfjs,
    programs: Readonly<Record<Name, Program>>,
  ) {
    const list = Object.values<Program>(programs);
    this.states = new States(tfjs, list);
    this.counters = new Counters(list);
    for (const [name, program] of Object.entries<Program>(programs))
      this.prepared.set(name as Name, new PreparedProgram(program));
    this.states.reset('');
  }

  assign(values: Weights): Promise<void> {
    return this.inTurn(() => {
      this.states.assign(values);
      this.counters.assign(values);
    });
  }

  read(names?: Iterable<string>): Promise<Weights> {
    return this.inTurn(() => {
      const wanted = names ?? [...this.states.specs.keys(), ...this.counters.names];
      const values = new Map<string, Tensor>();
      for (const name of wanted)
        values.set(name, this.counters.has(name) ? this.counters.read(name) : this.states.read(name));
      return values;
    });
  }

  reset(prefix = ''): Promise<void> {
    return this.inTurn(() => this.states.reset(prefix));
  }

  run(name: Name, inputs: ProgramInputs, batch?: number): Promise<ProgramOutputs> {
    return this.inTurn(() => {
      const prepared = this.prepared.get(name);
      if (!prepared) throw new Error(`the session has no program ${name}`);
      const resolved = resolveInputs(prepared.program, inputs, batch);
      return prepared.run(this.tfjs, this.states, resolved, (context, value) =>
        this.finish(prepared.program, context, value),
      );
    });
  }

  dispose(): Promise<void> {
    return this.inTurn(() => this.states.dispose());
  }

  /** Reads the outputs and gives the states their new values, all together. */
  private finish(program: Program, context: KernelContext, value: (ref: Ref) => Laid): ProgramOutputs {
    const { tf, memory } = this.tfjs;
    const { outputs, updates } = program;
    const read = (ref: Ref): Float32Array => {
      const { tensor } = context.plain(value(ref));
      return tensor.dtype === 'float32' ? memory.view(tensor).slice() : Float32Array.from(tensor.dataSync());
    };
    const results: Record<string, Float32Array> = {};
    tf.tidy(() => {
      for (const [name, ref] of Object.entries(outputs)) results[name] = read(ref);
      // A new value can be another state's old one: nothing is freed before all are there.
      const fresh = updates.map(({ state, value: ref }) => {
        const laid = context.inOrder(value(ref), this.states.order(state));
        return [state, tf.keep(tf.clone(laid.tensor))] as const;
      });
      for (const [state, tensor] of fresh) this.states.replace(state, tensor);
    });
    this.counters.count(program);
    return results;
  }

  private inTurn<R>(work: () => R | Promise<R>): Promise<R> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }
}
