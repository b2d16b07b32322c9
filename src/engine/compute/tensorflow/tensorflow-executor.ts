/** The Executor on TensorFlow: the programs of a session in one SavedModel, states as resource variables. */

import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import { float32Tensor, type Tensor, toFloat32, type Weights } from '../../graph/tensor.ts';
import type { Executor, ProgramInputs, ProgramOutputs, Session } from '../executor.ts';
import { Counters } from '../programs/counters.ts';
import type { Program } from '../programs/program.ts';
import { resolveInputs } from '../programs/program-inputs.ts';
import type { TensorFlowBinding } from '../runtime/binding.ts';
import { scalarBits } from './float64.ts';
import {
  groupOf,
  type LoweredPrograms,
  type LoweringOptions,
  lowerPrograms,
  maskFeeds,
  signatures,
} from './lowering.ts';
import type { ProductType } from './lowering-context.ts';
import { TensorFlowSession } from './session.ts';

/** TensorFlow runs synchronously: between two runs the event loop gets its turn, so that cancelling and progress work. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Programs<Name extends string> = Readonly<Record<Name, Program>>;

export interface TensorFlowOptions {
  /**
   * `bfloat16` rounds the operands of matrix products and forward convolutions to 8 bits: faster where the processor has instructions for
   * it, and results change in their third digit. Default: `float32`.
   */
  readonly products?: ProductType;
  /** Everything in double precision, for checking: slow, and only what goes in and comes out is rounded to float32. */
  readonly float64?: boolean;
}

/** TensorFlow's builds for x86 on Linux have oneDNN, and the runtime's settings turn it on unless the person has said otherwise. */
const usesOneDnn = (binding: TensorFlowBinding): boolean =>
  !binding.isUsingGpuDevice() &&
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  process.env['TF_ENABLE_ONEDNN_OPTS'] !== '0';

/** The executor of a loaded TensorFlow runtime. */
export function tensorFlowExecutor(
  binding: TensorFlowBinding,
  { products = 'float32', float64 = false }: TensorFlowOptions = {},
): Executor {
  const device = binding.isUsingGpuDevice() ? 'GPU' : 'CPU';
  const options: LoweringOptions = { fuse: usesOneDnn(binding) && products === 'float32', products, float64 };
  return {
    backend: 'tensorflow',
    label: `TensorFlow ${binding.TF_Version}, ${device}${remark(products, float64)}`,
    async open(programs, context = {}) {
      return openSession(binding, programs, options, context);
    },
  };
}

function remark(products: ProductType, float64: boolean): string {
  if (float64) return ', in float64';
  return products === 'float32' ? '' : `, products in ${products}`;
}

const PHASE = 'prepare';

async function openSession<Name extends string>(
  binding: TensorFlowBinding,
  programs: Programs<Name>,
  options: LoweringOptions,
  { signal, progress }: RunContext,
): Promise<Session<Name>> {
  progress?.({ phase: PHASE, done: 0, total: 2, message: 'building the graph' });
  const lowered = lowerPrograms(programs, options);
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
    this.resetNow('');
  }

  async assign(values: Weights): Promise<void> {
    const feeds = new Map<string, Tensor<'float32'>>();
    for (const [name, tensor] of values) {
      const spec = this.lowered.states.get(name);
      if (!spec) continue;
      if (String(spec.shape) !== String(tensor.shape))
        throw new Error(`${name} is [${tensor.shape}], the network takes [${spec.shape}]`);
      feeds.set(name, float32Tensor(spec.shape, toFloat32(tensor)));
    }
    for (const [signature, names] of this.together(feeds.keys()))
      this.session.run(
        signatures.assign(signature),
        Object.fromEntries(names.map((name) => [name, feeds.get(name) as Tensor<'float32'>])),
      );
    this.counters.assign(values);
    await nextTurn();
  }

  async read(names: Iterable<string> = [...this.lowered.states.keys(), ...this.counters.names]): Promise<Weights> {
    const wanted = [...names];
    const values = new Map<string, Tensor>();
    for (const [signature] of this.together(wanted.filter((name) => !this.counters.has(name))))
      for (const [name, value] of Object.entries(this.session.run(signatures.read(signature)))) values.set(name, value);
    await nextTurn();
    return new Map(
      wanted.map((name) => [name, this.counters.has(name) ? this.counters.read(name) : (values.get(name) as Tensor)]),
    );
  }

  async reset(prefix = ''): Promise<void> {
    this.resetNow(prefix);
    await nextTurn();
  }

  async run(name: Name, inputs: ProgramInputs, batch?: number): Promise<ProgramOutputs> {
    const program = this.programs[name];
    const resolved = resolveInputs(program, inputs, batch);
    const masks = this.lowered.masks[name];
    const seed = resolved.tensors.seed?.data ?? [];
    const feeds = {
      ...resolved.tensors,
      ...this.exactScalars(inputs, resolved.tensors),
      ...maskFeeds(masks, seed, resolved.batch),
    };
    const outputs = this.session.run(signatures.run(name), feeds);
    this.counters.count(program);
    await nextTurn();
    return Object.fromEntries(Object.entries(outputs).map(([key, { data }]) => [key, data as Float32Array]));
  }

  /** In double precision, numbers as they were given. */
  private exactScalars(
    inputs: ProgramInputs,
    resolved: Readonly<Record<string, Tensor>>,
  ): Record<string, Tensor<'int64'>> {
    if (!this.lowered.float64) return {};
    const scalars = Object.entries(resolved).filter(
      ([, { dtype, shape }]) => dtype === 'float32' && shape.length === 0,
    );
    return Object.fromEntries(
      scalars.map(([name, { data }]) => {
        const given = inputs[name];
        return [name, scalarBits(typeof given === 'number' ? given : Number(data[0]))];
      }),
    );
  }

  async dispose(): Promise<void> {
    this.session.dispose();
  }

  /** Signatures that set or read the states: a group's where all of it is wanted, else one for each state. */
  private together(names: Iterable<string>): ReadonlyMap<string, readonly string[]> {
    const byGroup = new Map<string, string[]>();
    for (const name of names) {
      if (!this.lowered.states.has(name)) throw new Error(`no program has a state ${name}`);
      const members = byGroup.get(groupOf(name));
      if (members) members.push(name);
      else byGroup.set(groupOf(name), [name]);
    }
    return new Map(
      [...byGroup].flatMap(([group, members]): [string, string[]][] =>
        members.length === this.lowered.groups.get(group)?.length
          ? [[group, members]]
          : members.map((name) => [name, [name]]),
      ),
    );
  }

  private resetNow(prefix: string): void {
    for (const [group, names] of this.lowered.groups)
      if (group.startsWith(prefix) && names.some((name) => this.lowered.states.get(name)?.initial !== undefined))
        this.session.run(signatures.reset(group));
  }
}
