/** Runs a program node by node, freeing every value after its last use. */
import type { Tensor, TensorContainer } from '@tensorflow/tfjs-core';
import { withBatch } from '../../graph/shapes.ts';
import { elementCount } from '../../graph/tensor.ts';
import type { KernelKind } from '../programs/kernels.ts';
import { keepMask } from '../programs/noise.ts';
import type { KernelNode, Program, Ref } from '../programs/program.ts';
import type { ResolvedInputs } from '../programs/program-inputs.ts';
import { KernelContext, type KernelRule, type Laid } from './kernel-context.ts';
import { kernelRules, type RunKernel, type SourceKernel } from './kernel-table.ts';
import { type Step, scheduleProgram } from './schedule.ts';
import type { States } from './states.ts';
import type { LoadedTfjs } from './tfjs.ts';

/** How long kernels may keep the event loop waiting, in milliseconds. */
const LONGEST_TURN = 50;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A program with its order of running. */
export class PreparedProgram {
  private readonly steps: readonly Step[];

  constructor(readonly program: Program) {
    this.steps = scheduleProgram(program);
  }

  /** Runs on the inputs and the states; then gives `finish` the values, which are freed after it. */
  async run<R>(
    tfjs: LoadedTfjs,
    states: States,
    inputs: ResolvedInputs,
    finish: (context: KernelContext, value: (ref: Ref) => Laid) => R,
  ): Promise<R> {
    const run = new ProgramRun(tfjs, this.program, states, inputs);
    let result: R;
    try {
      let turn = performance.now();
      for (const step of this.steps) {
        run.step(step);
        if (performance.now() - turn < LONGEST_TURN) continue;
        await nextTurn();
        turn = performance.now();
      }
      result = finish(run.context, (ref) => run.value(ref));
    } catch (error) {
      // What went wrong is reported, not what freeing then runs into.
      run.disposeQuietly();
      throw error;
    }
    run.dispose();
    return result;
  }
}

/** The values of one run. Each owns its tensor, but for those of the states. */
class ProgramRun {
  readonly context: KernelContext;
  private readonly values = new Map<number, (Laid | undefined)[]>();
  private readonly borrowed = new Set<Tensor>();

  constructor(
    tfjs: LoadedTfjs,
    private readonly program: Program,
    private readonly states: States,
    private readonly inputs: ResolvedInputs,
  ) {
    this.context = new KernelContext(tfjs, inputs.batch);
  }

  value({ node, output }: Ref): Laid {
    const value = this.values.get(node)?.[output];
    if (!value) throw new Error(`the value of node ${node} was freed before its last use`);
    return value;
  }

  step({ node: index, release }: Step): void {
    const node = this.program.nodes[index];
    this.values.set(index, this.owned(node));
    for (const { node: owner, output } of release) {
      const outputs = this.values.get(owner);
      this.free(outputs?.[output]);
      if (outputs) outputs[output] = undefined;
    }
  }

  dispose(): void {
    for (const outputs of this.values.values()) for (const value of outputs) this.free(value);
    this.values.clear();
  }

  private free(value: Laid | undefined): void {
    if (value && !this.borrowed.has(value.tensor)) value.tensor.dispose();
  }

  disposeQuietly(): void {
    try {
      this.dispose();
    } catch {
      // The backend's memory is damaged.
    }
  }

  /** The node's outputs, as tensors that no other value has: what a kernel only passes on shares its numbers. */
  private owned(node: KernelNode): Laid[] {
    if (node.kind === 'state') return [this.borrow(node.attributes.name)];
    const inputs = node.inputs.map((ref) => this.value(ref));
    const taken = new Set<Tensor>(inputs.map((x) => x.tensor));
    const { tf } = this.context;
    let outputs: readonly Laid[] = [];
    tf.tidy(() => {
      outputs = this.outputs(node, inputs).map((x) => {
        const tensor = taken.has(x.tensor) ? tf.clone(x.tensor) : x.tensor;
        taken.add(tensor);
        return { ...x, tensor };
      });
      return outputs.map((x) => x.tensor) as TensorContainer;
    });
    return [...outputs];
  }

  private borrow(state: string): Laid {
    const value = this.states.value(state);
    this.borrowed.add(value.tensor);
    return value;
  }

  private outputs(node: KernelNode, inputs: readonly Laid[]): readonly Laid[] {
    if (node.kind in this.sources) return [this.sources[node.kind as SourceKernel](node as never)];
    const rule = kernelRules[node.kind as RunKernel] as unknown as KernelRule<KernelKind>;
    const shapes = node.shapes.map((shape) => withBatch(shape, this.context.batch));
    return rule(this.context, { attributes: node.attributes, shapes }, inputs);
  }

  private readonly sources: { readonly [K in SourceKernel]: (node: KernelNode<K>) => Laid } = {
    input: ({ attributes: { name } }) => {
      const { data, shape, dtype } = this.inputs.tensors[name];
      return this.context.laid(this.context.tf.tensor(data, [...shape], dtype), shape);
    },
    state: ({ attributes: { name } }) => this.borrow(name),
    constant: ({ attributes: { tensor } }) => this.numbers(tensor.data, tensor.shape),
    keepMask: ({ attributes: { shape, stream, probability } }) => {
      const sizes = withBatch(shape, this.context.batch);
      const seed = this.inputs.tensors.seed.data;
      return this.numbers(keepMask(seed, stream, elementCount(sizes), probability), sizes);
    },
  };

  private numbers(data: Float32Array, shape: readonly number[]): Laid {
    return this.context.laid(this.context.tf.tensor(data, [...shape]), shape);
  }
}
