/**
 * Reverse-mode differentiation of Programs: walks the kernels backwards from a scalar and adds the kernels that compute its derivative by
 * every wanted value. `d` is always the derivative of the scalar by a kernel's output.
 */
import type { Shape } from '../../graph/operations.ts';
import { type DifferentiableKernel, type GradientRule, gradientRules } from './gradient-rules.ts';
import type { KernelKind } from './kernels.ts';
import type { KernelNode, Ref } from './program.ts';
import type { ProgramBuilder } from './program-builder.ts';

const isDifferentiable = (kind: KernelKind): kind is DifferentiableKernel => kind in gradientRules;
const key = (ref: Ref): string => `${ref.node}.${ref.output}`;

/** Contributions to the derivative of one value. */
class Contributions {
  readonly #of = new Map<string, Ref[]>();

  constructor(private readonly builder: ProgramBuilder) {}

  push(value: Ref, d: Ref): void {
    const list = this.#of.get(key(value));
    if (list) list.push(d);
    else this.#of.set(key(value), [d]);
  }

  /** Their sum, or undefined where the value does not matter. */
  sum(value: Ref): Ref | undefined {
    const list = this.#of.get(key(value));
    if (!list) return undefined;
    const total = joinSlices(this.builder, list) ?? list.reduce((a, b) => this.builder.add('add', [a, b], {}));
    this.#of.set(key(value), [total]);
    return total;
  }
}

/** Slices that together cover a value (q, k and v of one product) give a concat in place of a sum of padded pieces. */
function joinSlices(builder: ProgramBuilder, list: readonly Ref[]): Ref | undefined {
  if (list.length < 2) return undefined;
  const pieces = list.map((ref) => builder.node(ref.node)).filter((node) => node.kind === 'sliceGradient');
  if (pieces.length !== list.length) return undefined;
  const sorted = pieces.toSorted((a, b) => a.attributes.start - b.attributes.start);
  const { axis, size } = sorted[0].attributes;
  let end = 0;
  for (const { attributes } of sorted) {
    if (attributes.axis !== axis || attributes.step !== 1 || attributes.start !== end) return undefined;
    end = attributes.end;
  }
  if (end !== size) return undefined;
  return builder.add(
    'concat',
    sorted.map((node) => node.inputs[0]),
    { axis },
  );
}

/** For every node whether it depends on a wanted value. */
function dependents(nodes: readonly KernelNode[], wanted: readonly Ref[]): readonly boolean[] {
  const found = nodes.map(() => false);
  for (const ref of wanted) found[ref.node] = true;
  nodes.forEach((node, i) => {
    if (!found[i] && isDifferentiable(node.kind)) found[i] = node.inputs.some((ref) => found[ref.node]);
  });
  return found;
}

/**
 * Adds the kernels for the derivatives of the scalar `loss` by each of `wanted`, in that order; zeros where the loss does not depend on one.
 * Wanted values are sources (states, inputs) or results of kernels.
 */
export function emitGradients(builder: ProgramBuilder, loss: Ref, wanted: readonly Ref[]): readonly Ref[] {
  const nodes = builder.nodes.slice();
  const active = dependents(nodes, wanted);
  const contributions = new Contributions(builder);
  contributions.push(loss, builder.scalar(1));
  for (let index = loss.node; index >= 0; index--) {
    const node = nodes[index];
    if (!active[index] || !isDifferentiable(node.kind)) continue;
    const d = contributions.sum({ node: index, output: 0 });
    if (!d || !node.inputs.some((ref) => active[ref.node])) continue;
    builder.source = node.source;
    const needs = node.inputs.map((ref) => active[ref.node]);
    // A table entry is taken by a kind known only at run time.
    const rule = gradientRules[node.kind] as unknown as GradientRule<DifferentiableKernel>;
    const gradients = rule(node as never, { builder, d, needs, self: index });
    gradients.forEach((gradient, i) => {
      if (gradient && needs[i]) contributions.push(node.inputs[i], gradient);
    });
  }
  builder.source = '';
  return wanted.map((ref) => contributions.sum(ref) ?? zeros(builder, builder.shape(ref)));
}

function zeros(builder: ProgramBuilder, shape: Shape): Ref {
  return builder.add('expand', [builder.scalar(0)], { shape });
}
