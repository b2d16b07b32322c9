/** A Program as an ONNX model: inputs, states and masks are fed, outputs and new values of states are fetched. */
import { withBatch } from '../../graph/shapes.ts';
import { elementCount } from '../../graph/tensor.ts';
import type { KernelKind } from '../programs/kernels.ts';
import { keepMask } from '../programs/noise.ts';
import type { KernelNode, Program, Ref } from '../programs/program.ts';
import { KernelLowering, type LoweringRule, type Value } from './kernel-lowering.ts';
import { loweringRules, type SourceKernel } from './kernel-rules.ts';
import type { NamedOutput } from './onnx-graph.ts';

/** Names in the model of what a run is given and gives. */
export const feedNames = {
  input: (name: string): string => `input/${name}`,
  state: (name: string): string => `state/${name}`,
  mask: (index: number): string => `mask/${index}`,
  output: (name: string): string => `output/${name}`,
  update: (name: string): string => `update/${name}`,
};

/** A random mask that is computed outside and fed: see noise.ts. */
export interface FedMask {
  readonly name: string;
  readonly attributes: KernelNode<'keepMask'>['attributes'];
}

export interface LoweredProgram {
  readonly model: Uint8Array;
  /** Names of what the model takes; inputs and states that nothing needs are not among them. */
  readonly fed: ReadonlySet<string>;
  readonly masks: readonly FedMask[];
}

export interface LoweringOptions {
  /** Values of the states that the model holds as its own, so that ONNX Runtime can fold and pack them; the others are fed. */
  readonly held?: (state: string) => Float32Array | undefined;
  /** Whether the model is written as ONNX Runtime would make it for the CPU, for sessions that optimise nothing. */
  readonly fused?: boolean;
  /** Channels that this processor's blocked convolutions take at once, where there are such. */
  readonly channelBlock?: number;
}

/** Values of the masks for a seed. */
export function maskValues(
  { attributes: { shape, stream, probability } }: FedMask,
  seed: ArrayLike<number>,
  batch: number,
) {
  const sizes = withBatch(shape, batch);
  return { shape: sizes, data: keepMask(seed, stream, elementCount(sizes), probability) };
}

class ProgramLowering {
  readonly masks: FedMask[] = [];
  private readonly values: (readonly Value[])[] = [];
  private readonly lowering: KernelLowering;
  private readonly held: (state: string) => Float32Array | undefined;

  constructor(
    private readonly program: Program,
    { held = () => undefined, fused = false, channelBlock }: LoweringOptions,
  ) {
    this.held = held;
    this.lowering = new KernelLowering(() => this.batched(), fused, channelBlock);
  }

  run(): LoweredProgram {
    for (const { name, dtype, shape } of this.program.inputs)
      this.lowering.graph.input({ name: feedNames.input(name), dtype, shape });
    for (const node of this.program.nodes) {
      const names = this.outputs(node);
      this.values.push(names.map((name, i) => ({ name, shape: node.shapes[i] })));
    }
    const { outputs, updates } = this.program;
    const wanted = [
      ...Object.entries(outputs).map(([name, ref]) => this.named(feedNames.output(name), ref)),
      ...updates.map(({ state, value }) => this.named(feedNames.update(state), value)),
    ];
    const { model, inputs } = this.lowering.graph.encode('program', wanted);
    const fed = new Set(inputs);
    return { model, fed, masks: this.masks.filter(({ name }) => fed.has(name)) };
  }

  private value(ref: Ref): Value {
    return this.values[ref.node][ref.output];
  }

  /** Integers go out as float32, as the outputs of every executor. */
  private named(name: string, ref: Ref): NamedOutput {
    const { name: value, shape } = this.value(ref);
    const integer = this.program.nodes[ref.node].kind === 'argMax';
    return { name, shape, value: integer ? this.lowering.op('Cast', [value], { to: 1 }) : value };
  }

  private batched(): string {
    const spec = this.program.inputs.find(({ shape }) => shape[0] === -1);
    if (!spec) throw new Error('a program whose values have a batch dimension needs an input that has one');
    return feedNames.input(spec.name);
  }

  private outputs(node: KernelNode): readonly string[] {
    if (node.kind in this.sources) return [this.sources[node.kind as SourceKernel](node as never)];
    // A table entry is taken by a kind known only at run time.
    const rule = loweringRules[node.kind as Exclude<KernelKind, SourceKernel>] as unknown as LoweringRule<KernelKind>;
    return rule(
      this.lowering,
      node,
      node.inputs.map((ref) => this.value(ref)),
    );
  }

  private readonly sources: { readonly [K in SourceKernel]: (node: KernelNode<K>) => string } = {
    input: ({ attributes: { name, dtype } }) => {
      const fed = feedNames.input(name);
      return dtype === 'int32' ? this.lowering.op('Cast', [fed], { to: 7 }) : fed;
    },
    state: ({ attributes: { name }, shapes: [shape] }) => {
      const data = this.held(name);
      const { graph } = this.lowering;
      return data
        ? graph.initialiser(feedNames.state(name), { shape, data })
        : graph.input({ name: feedNames.state(name), shape });
    },
    keepMask: ({ attributes }) => {
      const name = feedNames.mask(this.masks.length);
      this.masks.push({ name, attributes });
      return this.lowering.graph.input({ name, shape: attributes.shape });
    },
  };
}

/** Lowers a program. */
export function lowerProgram(program: Program, options: LoweringOptions = {}): LoweredProgram {
  return new ProgramLowering(program, options).run();
}
