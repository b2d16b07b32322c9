/** The Executor on TensorFlow: the programs of a session in one SavedModel, states as resource variables. */
import { float32Tensor, type Tensor, toFloat32, type Weights } from '../../graph/tensor.ts';
import { type RunContext, throwIfAborted } from '../../support/progress.ts';
import { Counters } from '../counters.ts';
import type { Executor, ProgramInputs, ProgramOutputs, Session } from '../executor.ts';
import type { Program } from '../program.ts';
import { resolveInputs } from '../program-inputs.ts';
import type { TensorFlowBinding } from '../runtime/binding.ts';
import { type LoweredPrograms, lowerPrograms, maskFeeds, signatures } from './lowering.ts';
import { TensorFlowSession } from './session.ts';

/** TensorFlow runs synchronously: between two runs the event loop gets its turn, so that cancelling and progress work. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Programs<Name extends string> = Readonly<Record<Name, Program>>;

/** The executor of a loaded TensorFlow runtime. */
export function tensorFlowExecutor(binding: TensorFlowBinding): Executor {
  return {
    backend: 'tensorflow',
    label: `TensorFlow ${binding.TF_Version}, ${binding.isUsingGpuDevice() ? 'GPU' : 'CPU'}`,
    async open(programs, context = {}) {
      return openSession(binding, programs, context);
    },
  };
}

const PHASE = 'prepare';

async function openSession<Name extends string>(
  binding: TensorFlowBinding,
  programs: Programs<Name>,
  { signal, progress }: RunContext,
): Promise<Session<Name>> {
  progress?.({ phase: PHASE, done: 0, total: 2, message: 'building the graph' });
  const lowered = lowerPrograms(programs);
  await nextTurn();
  throwIfAborted(signal);
  progress?.({ phase: PHASE, done: 1, total: 2, message: 'loading the graph' });
  await nextTurn();
  const session = new ProgramSession(new TensorFlowSession(binding, lowered.model), programs, lowered);
  progress?.({ phase: PHASE, done: 2, total: 2 });
  return session;
}

class ProgramSession<Name extends string> implements Session<Name> {
  private readonly counters: Counters;

  constructor(
    private readonly session: TensorFlowSession,
    private readonly programs: Programs<Name>,
    private readonly lowered: LoweredPrograms,
  ) {
    this.counters = new Counters(Object.values(programs));
    this.resetNow(this.resettable());
  }

  async assign(values: Weights): Promise<void> {
    for (const [name, tensor] of values) {
      const spec = this.lowered.states.get(name);
      if (!spec) continue;
      if (String(spec.shape) !== String(tensor.shape))
        throw new Error(`${name} is [${tensor.shape}], the network takes [${spec.shape}]`);
      this.session.run(signatures.assign(name), { value: float32Tensor(spec.shape, toFloat32(tensor)) });
    }
    this.counters.assign(values);
    await nextTurn();
  }

  async read(names: Iterable<string> = [...this.lowered.states.keys(), ...this.counters.names]): Promise<Weights> {
    const values = new Map<string, Tensor>();
    for (const name of names) values.set(name, this.readNow(name));
    await nextTurn();
    return values;
  }

  async reset(names: Iterable<string> = this.resettable()): Promise<void> {
    this.resetNow(names);
    await nextTurn();
  }

  async run(name: Name, inputs: ProgramInputs, batch?: number): Promise<ProgramOutputs> {
    const program = this.programs[name];
    const resolved = resolveInputs(program, inputs, batch);
    const masks = this.lowered.masks[name];
    const seed = resolved.tensors.seed?.data ?? [];
    const feeds = { ...resolved.tensors, ...maskFeeds(masks, seed, resolved.batch) };
    const outputs = this.session.run(signatures.run(name), feeds);
    this.counters.count(program);
    await nextTurn();
    return Object.fromEntries(Object.entries(outputs).map(([key, { data }]) => [key, data as Float32Array]));
  }

  async dispose(): Promise<void> {
    this.session.dispose();
  }

  private readNow(name: string): Tensor {
    if (this.counters.has(name)) return this.counters.read(name);
    if (!this.lowered.states.has(name)) throw new Error(`no program has a state ${name}`);
    return this.session.run(signatures.read(name)).value;
  }

  private resettable(): readonly string[] {
    return [...this.lowered.states.values()].filter(({ initial }) => initial !== undefined).map(({ name }) => name);
  }

  private resetNow(names: Iterable<string>): void {
    for (const name of names) this.session.run(signatures.reset(name));
  }
}
