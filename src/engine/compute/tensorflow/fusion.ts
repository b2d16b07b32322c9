/**
 * Chains of kernels that TensorFlow runs as one: a convolution, frozen batch norm (folded into weights and bias), the addition of a
 * residual, ReLU. Nothing else may use the values in between, so that a chain that a gradient reads is left as it is.
 */
import type { KernelNode, Program, Ref } from '../programs/program.ts';

export interface FusedConvolution {
  /** Indices of the kernels. */
  readonly conv: number;
  readonly batchNorm?: number;
  /** What is added to the convolution's (normalised) output. */
  readonly addend?: Ref;
  readonly activation?: 'Relu' | 'Relu6';
}

export interface Fusions {
  /** By the last kernel of the chain, whose output is that of the chain. */
  readonly chains: ReadonlyMap<number, FusedConvolution>;
  /** Kernels that are part of a chain, but not its last. */
  readonly inside: ReadonlySet<number>;
}

export const NO_FUSIONS: Fusions = { chains: new Map(), inside: new Set() };

/** For every node the kernels that use its first output; a use outside of the graph, or of another output, counts as −1. */
function usersOf({ nodes, outputs, updates }: Program): readonly (readonly number[])[] {
  const users: number[][] = nodes.map(() => []);
  nodes.forEach((node, index) => {
    for (const ref of node.inputs) users[ref.node].push(ref.output === 0 ? index : -1);
  });
  for (const ref of [...Object.values(outputs), ...updates.map(({ value }) => value)]) users[ref.node].push(-1);
  return users;
}

const FUSED_ACTIVATIONS: Readonly<Record<string, FusedConvolution['activation']>> = { relu: 'Relu', relu6: 'Relu6' };

const isDepthwise = ({ attributes: { groups } }: KernelNode<'conv'>, weight: KernelNode): boolean =>
  groups > 1 && weight.shapes[0][1] === 1 && weight.shapes[0][0] === groups;

/** TensorFlow has fused kernels of plain and depthwise convolutions; only the plain one takes an addend. */
const canFuse = (node: KernelNode<'conv'>, weight: KernelNode): boolean =>
  node.attributes.groups === 1 || isDepthwise(node, weight);

class Chain {
  readonly members: number[];
  fused: FusedConvolution;

  constructor(
    private readonly program: Program,
    private readonly users: readonly (readonly number[])[],
    conv: number,
  ) {
    this.members = [conv];
    this.fused = { conv };
  }

  /** The one kernel that uses the chain's result, if it takes it as its first input or `anywhere`. */
  private next(anywhere = false): { index: number; node: KernelNode } | undefined {
    const last = this.members.at(-1) as number;
    const [index, ...others] = this.users[last];
    if (index === undefined || index < 0 || others.length > 0) return undefined;
    const node = this.program.nodes[index];
    return anywhere || node.inputs[0].node === last ? { index, node } : undefined;
  }

  private take(index: number, what: Partial<FusedConvolution>): void {
    this.members.push(index);
    this.fused = { ...this.fused, ...what };
  }

  extend(taken: ReadonlySet<number>, takesAddend: boolean): void {
    const norm = this.next();
    if (norm?.node.kind === 'batchNorm') this.take(norm.index, { batchNorm: norm.index });
    const sum = takesAddend ? this.next(true) : undefined;
    if (sum?.node.kind === 'add' && !taken.has(sum.index)) {
      const last = this.members.at(-1) as number;
      const addend = sum.node.inputs.find((ref) => ref.node !== last);
      const shape = (ref: Ref): string => String(this.program.nodes[ref.node].shapes[ref.output]);
      if (addend && shape(addend) === String(sum.node.shapes[0])) this.take(sum.index, { addend });
    }
    const activation = this.next();
    if (activation?.node.kind !== 'activation') return;
    const fused = FUSED_ACTIVATIONS[activation.node.attributes.function];
    if (fused) this.take(activation.index, { activation: fused });
  }
}

/** Finds the chains of a program. Of two that end in one addition, the one computed later takes it: its addend is there by then. */
export function findFusions(program: Program): Fusions {
  const users = usersOf(program);
  const chains = new Map<number, FusedConvolution>();
  const inside = new Set<number>();
  const taken = new Set<number>();
  program.nodes.toReversed().forEach((node, position) => {
    if (node.kind !== 'conv') return;
    const weight = program.nodes[node.inputs[1].node];
    if (!canFuse(node, weight)) return;
    const chain = new Chain(program, users, program.nodes.length - 1 - position);
    chain.extend(taken, node.attributes.groups === 1);
    const hasBias = node.inputs.length > 2 || chain.fused.batchNorm !== undefined;
    if (chain.members.length === 1 || !hasBias) return;
    for (const member of chain.members) taken.add(member);
    chains.set(chain.members.at(-1) as number, chain.fused);
    for (const member of chain.members.slice(0, -1)) inside.add(member);
  });
  return { chains, inside };
}
