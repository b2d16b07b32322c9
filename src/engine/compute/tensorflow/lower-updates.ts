/**
 * Lowering of what a run leaves behind: new values of states. Optimiser kernels and moving values are updated where they lie, by
 * TensorFlow's own kernels where those compute what torch.optim does.
 */
import type { Shape } from '../../graph/operations.ts';
import type { KernelKind } from '../programs/kernels.ts';
import { type KernelNode, type Program, type Ref, type StateUpdate, shapeOf } from '../programs/program.ts';
import type { TensorRef, VariableRef } from './graph-def.ts';
import { FLOAT, type Laid, type LoweringContext } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';

export type OptimizerKernel = 'sgdStep' | 'adamWStep' | 'rmsPropStep';

interface StateAccess {
  readonly variable: VariableRef;
  readonly order: readonly number[];
  readonly users: readonly TensorRef[];
}

export interface Updating {
  readonly context: LoweringContext;
  readonly program: Program;
  value(ref: Ref): Laid;
  /**
   * The variable of a state, its order of dimensions, and what must have run before it changes: the node that reads it, and those that use
   * what it read. A read shares the variable's memory; as long as anything holds it, a change would have to copy the whole variable.
   */
  state(name: string): StateAccess;
}

/** Changes a variable after it has been read; returns the node's name. */
function change(
  u: Updating,
  op: string,
  state: string,
  inputs: readonly TensorRef[],
  after: readonly string[] = [],
): string {
  const { variable, users } = u.state(state);
  const controls = [...users, ...after];
  const attrs: Attrs = op.startsWith('Assign') ? { dtype: FLOAT } : { T: FLOAT };
  return u.context.graph.node(op, [variable.handle, ...inputs], attrs, { name: `${state}/update`, controls });
}

/** Inputs of an optimiser kernel: its gradient in the order of its parameter. */
function optimizerInputs(u: Updating, node: KernelNode<OptimizerKernel>): readonly Laid[] {
  const [parameter, gradient, ...rest] = node.inputs.map((ref) => u.value(ref));
  return [parameter, u.context.inOrder(gradient, parameter.order), ...rest];
}

/** g + weightDecay · parameter. */
function decayed({ context }: Updating, parameter: Laid, gradient: Laid, weightDecay: number): Laid {
  return weightDecay ? context.direct('AddV2', gradient, context.times(parameter, weightDecay)) : gradient;
}

/** `states`: the parameter's and its slots', in the order of the kernel's outputs. */
type UpdateRule<K extends OptimizerKernel> = (
  u: Updating,
  node: KernelNode<K>,
  states: readonly string[],
) => readonly string[];

/** ResourceApplyMomentum is v ← m v + g; p ← p − rate v, or with Nesterov p − rate (g + m v): torch's, decay put into g first. */
const sgd: UpdateRule<'sgdStep'> = (u, node, [parameter, slot]) => {
  const { momentum, nesterov, weightDecay } = node.attributes;
  const [value, gradient, rate] = optimizerInputs(u, node);
  const g = decayed(u, value, gradient, weightDecay).tensor;
  if (slot === undefined) return [change(u, 'ResourceApplyGradientDescent', parameter, [rate.tensor, g])];
  const { graph } = u.context;
  const inputs = [
    u.state(parameter).variable.handle,
    u.state(slot).variable.handle,
    rate.tensor,
    g,
    graph.float(momentum),
  ];
  const attrs = { T: FLOAT, use_nesterov: { bool: nesterov } };
  const controls = u.state(parameter).users;
  return [graph.node('ResourceApplyMomentum', inputs, attrs, { name: `${parameter}/update`, controls })];
};

/**
 * ResourceApplyAdam is m ← m + (1 − β₁)(g − m), v ← v + (1 − β₂)(g² − v), p ← p − α m / (√v + ε). Torch divides m and v by their
 * corrections c₁, c₂ first, which is α = rate √c₂ / c₁ and ε √c₂. The decoupled decay p ← p (1 − rate · decay) comes before.
 */
const adamW: UpdateRule<'adamWStep'> = (u, node, [parameter, first, second]) => {
  const { beta1, beta2, eps, weightDecay } = node.attributes;
  const { context } = u;
  const { graph } = context;
  const [value, gradient, rate, , , c1, c2] = optimizerInputs(u, node);
  const root = context.unary('Sqrt', c2);
  const alpha = context.direct('RealDiv', context.direct('Mul', rate, root), c1);
  const decay = weightDecay
    ? [
        change(u, 'AssignSubVariableOp', parameter, [
          context.direct('Mul', value, context.times(rate, weightDecay)).tensor,
        ]),
      ]
    : [];
  const variables = [parameter, first, second].map((name) => u.state(name).variable.handle);
  const numbers = [graph.float(0), graph.float(0), alpha.tensor, graph.float(beta1), graph.float(beta2)];
  const inputs = [...variables, ...numbers, context.times(root, eps).tensor, gradient.tensor];
  const options = { name: `${parameter}/update`, controls: [...u.state(parameter).users, ...decay] };
  return [graph.node('ResourceApplyAdam', inputs, { T: FLOAT }, options)];
};

/** s ← α s + (1 − α) g²; v ← m v + g / (√s + ε); p ← p − rate v. TensorFlow's own puts ε under the root. */
const rmsProp: UpdateRule<'rmsPropStep'> = (u, node, [parameter, average, slot]) => {
  const { alpha, eps, momentum, weightDecay } = node.attributes;
  const { context: c } = u;
  const [value, gradient, rate, square, velocity] = optimizerInputs(u, node);
  const g = decayed(u, value, gradient, weightDecay);
  const fresh = c.times(c.direct('Sub', c.unary('Square', g), square), 1 - alpha);
  const moved = c.direct('AddV2', square, fresh);
  const direction = c.direct('RealDiv', g, c.direct('AddV2', c.unary('Sqrt', moved), c.scalar(eps)));
  const v = velocity ? c.direct('AddV2', c.times(velocity, momentum), direction) : direction;
  const step = c.direct('Mul', v, rate).tensor;
  return [
    change(u, 'AssignVariableOp', average, [moved.tensor]),
    ...(slot === undefined ? [] : [change(u, 'AssignVariableOp', slot, [v.tensor])]),
    change(u, 'AssignSubVariableOp', parameter, [step]),
  ];
};

const updateRules: { readonly [K in OptimizerKernel]: UpdateRule<K> } = {
  sgdStep: sgd,
  adamWStep: adamW,
  rmsPropStep: rmsProp,
};

export const isOptimizerKernel = (kind: KernelKind): kind is OptimizerKernel => kind in updateRules;

/** Whether a ref is the value that the state had before the run. */
const isOld = (u: Updating, ref: Ref, state: string): boolean => {
  const node = u.program.nodes[ref.node];
  return node.kind === 'state' && node.attributes.name === state;
};

/** Whether a value has the shape already, with nothing to broadcast. */
const isWhole = (u: Updating, ref: Ref, shape: Shape): boolean => String(shapeOf(u.program, ref)) === String(shape);

/** A state's new value that is its old one plus something is added in place. */
function assign(u: Updating, { state, value }: StateUpdate): string {
  const { context } = u;
  const { order } = u.state(state);
  const tensor = (x: Laid): TensorRef => context.inOrder(x, order).tensor;
  const node = u.program.nodes[value.node];
  if (node.kind === 'add' && isOld(u, node.inputs[0], state) && isWhole(u, node.inputs[1], node.shapes[0]))
    return change(u, 'AssignAddVariableOp', state, [tensor(u.value(node.inputs[1]))]);
  return change(u, 'AssignVariableOp', state, [tensor(u.value(value))]);
}

/** Adds every update of a program; returns the nodes that must run. */
export function lowerUpdates(u: Updating): readonly string[] {
  const { nodes, updates } = u.program;
  const done: string[] = [];
  const steps = new Map<number, string[]>();
  for (const update of updates) {
    const { node, output } = update.value;
    if (!isOptimizerKernel(nodes[node].kind)) done.push(assign(u, update));
    else {
      const states = steps.get(node) ?? [];
      states[output] = update.state;
      steps.set(node, states);
    }
  }
  for (const [index, states] of steps) {
    const node = nodes[index] as KernelNode<OptimizerKernel>;
    // Slots follow the kernel's inputs: each output must go back to the state that it came from.
    if (states.filter(Boolean).length !== node.shapes.length)
      throw new Error(`${node.kind}: every output updates a state`);
    done.push(...(updateRules[node.kind] as UpdateRule<OptimizerKernel>)(u, node, states));
  }
  return done;
}
