/** Builds a Program kernel by kernel, inferring shapes as it goes. */
import type { Shape } from '../../graph/operations.ts';
import { float32Tensor } from '../../graph/tensor.ts';
import { kernelShapes } from './kernel-shapes.ts';
import type { KernelAttributes, KernelKind } from './kernels.ts';
import type { InputSpec, KernelNode, Program, Ref, StateSpec, StateUpdate } from './program.ts';

export class ProgramBuilder {
  readonly #nodes: KernelNode[] = [];
  readonly #inputs = new Map<string, Ref>();
  readonly #inputSpecs: InputSpec[] = [];
  readonly #states = new Map<string, { spec: StateSpec; ref: Ref }>();
  readonly #scalars = new Map<number, Ref>();
  readonly #outputs: Record<string, Ref> = {};
  readonly #updates: StateUpdate[] = [];
  readonly #counters = new Set<string>();
  /** The Graph node that what follows comes from. */
  source = '';

  get nodes(): readonly KernelNode[] {
    return this.#nodes;
  }

  node(index: number): KernelNode {
    return this.#nodes[index];
  }

  shape(ref: Ref): Shape {
    return this.#nodes[ref.node].shapes[ref.output];
  }

  /** Adds a kernel; one ref for each of its outputs. */
  addAll<K extends KernelKind>(kind: K, inputs: readonly Ref[], attributes: KernelAttributes[K]): readonly Ref[] {
    const shapes = kernelShapes(
      kind,
      attributes,
      inputs.map((ref) => this.shape(ref)),
    );
    return this.#push(kind, inputs, attributes, shapes);
  }

  /** Adds a kernel; its first output. */
  add<K extends KernelKind>(kind: K, inputs: readonly Ref[], attributes: KernelAttributes[K]): Ref {
    return this.addAll(kind, inputs, attributes)[0];
  }

  /** The input of that name, made at the first call. */
  input(name: string, shape: Shape, dtype: InputSpec['dtype'] = 'float32'): Ref {
    const known = this.#inputs.get(name);
    if (known) return known;
    const ref = this.add('input', [], { name, dtype, shape });
    this.#inputs.set(name, ref);
    this.#inputSpecs.push({ name, dtype, shape });
    return ref;
  }

  /** The value of a state before the run. */
  state(name: string, shape: readonly number[], options: Pick<StateSpec, 'initial' | 'like'> = {}): Ref {
    const known = this.#states.get(name);
    if (known) return known.ref;
    const [ref] = this.#push('state', [], { name }, [shape]);
    this.#states.set(name, { spec: { name, shape, ...options }, ref });
    return ref;
  }

  scalar(value: number): Ref {
    const known = this.#scalars.get(value);
    if (known) return known;
    const ref = this.add('constant', [], { tensor: float32Tensor([], Float32Array.of(value)) });
    this.#scalars.set(value, ref);
    return ref;
  }

  output(name: string, ref: Ref): void {
    this.#outputs[name] = ref;
  }

  /** Gives a state its value after the run. */
  update(state: string, value: Ref): void {
    if (!this.#states.has(state)) throw new Error(`the program has no state ${state}`);
    if (this.#updates.some((update) => update.state === state)) throw new Error(`${state} is updated twice`);
    this.#updates.push({ state, value });
  }

  counter(name: string): void {
    this.#counters.add(name);
  }

  finish(): Program {
    return {
      nodes: this.#nodes,
      inputs: this.#inputSpecs,
      states: [...this.#states.values()].map(({ spec }) => spec),
      outputs: this.#outputs,
      updates: this.#updates,
      counters: [...this.#counters],
    };
  }

  /** The cast is the one place where a node of a kind known only at run time is put together. */
  #push<K extends KernelKind>(
    kind: K,
    inputs: readonly Ref[],
    attributes: KernelAttributes[K],
    shapes: readonly Shape[],
  ): readonly Ref[] {
    const node = this.#nodes.length;
    this.#nodes.push({ kind, attributes, inputs, shapes, source: this.source } as unknown as KernelNode);
    return shapes.map((_, output) => ({ node, output }));
  }
}
