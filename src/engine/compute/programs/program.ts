/**
 * The Program: what backends run. A list of kernels over values, with named inputs, named state and named outputs; pure, so that a run
 * is (inputs, state) → (outputs, new state). Programs that name the same state share it.
 */
import type { Shape } from '../../graph/operations.ts';
import type { ConstantTensor, KernelAttributes, KernelKind } from './kernels.ts';

/** One output of one node. */
export interface Ref {
  readonly node: number;
  readonly output: number;
}

interface KernelNodeOf<K extends KernelKind> {
  readonly kind: K;
  readonly attributes: KernelAttributes[K];
  readonly inputs: readonly Ref[];
  /** Shape of each output; −k is k times the batch size. */
  readonly shapes: readonly Shape[];
  /** The Graph node it comes from, for messages and profiles; '' for losses and optimisers. */
  readonly source: string;
}

/** A node; narrowing on `kind` gives its attributes. */
export type KernelNode<K extends KernelKind = KernelKind> = { [P in K]: KernelNodeOf<P> }[K];

/** A value that stays on the device between runs: parameter, buffer, optimiser slot, accumulated gradient. float32. */
export interface StateSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** What every element is before anything is assigned; undefined where a run without an assigned value is an error. */
  readonly initial?: number;
  /** The parameter that it belongs to, for backends to lay both out in one way. */
  readonly like?: string;
}

export interface InputSpec {
  readonly name: string;
  readonly dtype: 'float32' | 'int32';
  readonly shape: Shape;
}

export interface StateUpdate {
  readonly state: string;
  readonly value: Ref;
}

export interface Program {
  /** In an order in which every node comes after its inputs. */
  readonly nodes: readonly KernelNode[];
  readonly inputs: readonly InputSpec[];
  readonly states: readonly StateSpec[];
  readonly outputs: Readonly<Record<string, Ref>>;
  /** Take effect together after all nodes have run: every `state` node sees the value from before. */
  readonly updates: readonly StateUpdate[];
  /** int64 scalars (num_batches_tracked) that grow by one at every run; kept by the executor, not on the device. */
  readonly counters: readonly string[];
}

export function shapeOf(program: Pick<Program, 'nodes'>, ref: Ref): Shape {
  return program.nodes[ref.node].shapes[ref.output];
}

/** All states of several programs by name. Throws where two programs disagree on one. */
export function unitedStates(programs: readonly Program[]): ReadonlyMap<string, StateSpec> {
  const states = new Map<string, StateSpec>();
  for (const spec of programs.flatMap((program) => program.states)) {
    const known = states.get(spec.name);
    if (known && String(known.shape) !== String(spec.shape))
      throw new Error(`${spec.name} is [${known.shape}] in one program and [${spec.shape}] in another`);
    states.set(spec.name, { ...known, ...spec, initial: known?.initial ?? spec.initial });
  }
  return states;
}

/** `%3.1` for output 1 of node 3. */
const formatRef = (program: Program, ref: Ref): string =>
  program.nodes[ref.node].shapes.length > 1 ? `%${ref.node}.${ref.output}` : `%${ref.node}`;

const formatAttribute = (value: unknown): string => {
  if (ArrayBuffer.isView(value)) return `${(value as Int32Array).length} entries`;
  if (Array.isArray(value)) return `[${value.map(formatAttribute).join(' ')}]`;
  if (value && typeof value === 'object') {
    if ('shape' in value && 'data' in value) {
      const { shape, data } = value as ConstantTensor;
      return data.length === 1 ? String(data[0]) : `[${shape.join(' ')}]`;
    }
    return `(${Object.values(value).map(formatAttribute).join(' ')})`;
  }
  return String(value);
};

/** One line a node, then outputs and updates: for golden tests and for reading. */
export function dumpProgram(program: Program): string {
  const lines = program.nodes.map((node, i) => {
    const attributes = Object.entries(node.attributes)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ` ${name}=${formatAttribute(value)}`)
      .join('');
    const inputs = node.inputs.map((ref) => formatRef(program, ref)).join(', ');
    const shapes = node.shapes.map((shape) => `[${shape.join(' ')}]`).join(' ');
    return `%${i} = ${node.kind}(${inputs})${attributes} → ${shapes}${node.source && `  # ${node.source}`}`;
  });
  const outputs = Object.entries(program.outputs).map(([name, ref]) => `output ${name} = ${formatRef(program, ref)}`);
  const updates = program.updates.map(({ state, value }) => `update ${state} = ${formatRef(program, value)}`);
  return [...lines, ...outputs, ...updates].join('\n');
}
