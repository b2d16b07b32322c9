/**
 * Optimisers as torch.optim computes them. Each kind says which numbers it needs at every step (inputs of the program), which slots it
 * keeps for a parameter (states), and adds the kernel that updates both.
 */

import type { Ref } from './program.ts';
import type { ProgramBuilder } from './program-builder.ts';

export type OptimizerOptions =
  /** torch.optim.SGD, dampening 0. */
  | { readonly kind: 'sgd'; readonly momentum: number; readonly nesterov?: boolean }
  /** torch.optim.AdamW (Loshchilov and Hutter 2019). */
  | { readonly kind: 'adamw'; readonly beta1?: number; readonly beta2?: number; readonly eps?: number }
  /** torch.optim.RMSprop, not centred. */
  | { readonly kind: 'rmsprop'; readonly alpha?: number; readonly eps?: number; readonly momentum?: number };

type OptimizerKind = OptimizerOptions['kind'];
type OptionsOf<K extends OptimizerKind> = Extract<OptimizerOptions, { kind: K }>;

interface Updating {
  readonly parameter: Ref;
  readonly gradient: Ref;
  readonly learningRate: Ref;
  readonly weightDecay: number;
  /** The slot's state, 0 before the first step. */
  readonly slot: (name: string) => Ref;
}

interface Optimizer<K extends OptimizerKind> {
  /** Slots kept for each parameter, in the order of the kernel's outputs after the parameter itself. */
  slots(options: OptionsOf<K>): readonly string[];
  /** Adds the kernel; its outputs are the new parameter and the new slots. */
  step(b: ProgramBuilder, options: OptionsOf<K>, values: Updating): readonly Ref[];
  /** Values of the inputs besides the learning rate at a step, counted from 1. */
  inputs(options: OptionsOf<K>, step: number): Readonly<Record<string, number>>;
}

const BETA1 = 0.9;
const BETA2 = 0.999;

const optimizers: { readonly [K in OptimizerKind]: Optimizer<K> } = {
  sgd: {
    slots: ({ momentum }) => (momentum ? ['momentum_buffer'] : []),
    step: (b, { momentum, nesterov = false }, { parameter, gradient, learningRate, weightDecay, slot }) => {
      const slots = momentum ? [slot('momentum_buffer')] : [];
      return b.addAll('sgdStep', [parameter, gradient, learningRate, ...slots], { momentum, nesterov, weightDecay });
    },
    inputs: () => ({}),
  },
  adamw: {
    slots: () => ['exp_avg', 'exp_avg_sq'],
    step: (b, options, { parameter, gradient, learningRate, weightDecay, slot }) => {
      const { beta1 = BETA1, beta2 = BETA2, eps = 1e-8 } = options;
      const corrections = [b.input('firstCorrection', []), b.input('secondCorrection', [])];
      const inputs = [parameter, gradient, learningRate, slot('exp_avg'), slot('exp_avg_sq'), ...corrections];
      return b.addAll('adamWStep', inputs, { beta1, beta2, eps, weightDecay });
    },
    inputs: ({ beta1 = BETA1, beta2 = BETA2 }, step) => ({
      firstCorrection: 1 - beta1 ** step,
      secondCorrection: 1 - beta2 ** step,
    }),
  },
  rmsprop: {
    slots: ({ momentum = 0 }) => (momentum ? ['square_avg', 'momentum_buffer'] : ['square_avg']),
    step: (b, options, { parameter, gradient, learningRate, weightDecay, slot }) => {
      const { alpha = 0.99, eps = 1e-8, momentum = 0 } = options;
      const slots = optimizers.rmsprop.slots(options).map(slot);
      const attributes = { alpha, eps, momentum, weightDecay };
      return b.addAll('rmsPropStep', [parameter, gradient, learningRate, ...slots], attributes);
    },
    inputs: () => ({}),
  },
};

const optimizerOf = (options: OptimizerOptions): Optimizer<OptimizerKind> =>
  optimizers[options.kind] as Optimizer<OptimizerKind>;

/** State names of a parameter's slots, by torch's slot names: `optimizer/exp_avg/blocks.0.norm1.weight`. */
const slotName = (slot: string, parameter: string): string => `optimizer/${slot}/${parameter}`;

/** Names of every slot kept for one parameter. */
export function slotNames(options: OptimizerOptions, parameter: string): readonly string[] {
  return optimizerOf(options)
    .slots(options)
    .map((slot) => slotName(slot, parameter));
}

/** Scalar inputs of a train program at a step (counted from 1): the learning rate and what the optimiser derives from the step. */
export function optimizerInputs(
  options: OptimizerOptions,
  learningRate: number,
  step: number,
): Readonly<Record<string, number>> {
  return { learningRate, ...optimizerOf(options).inputs(options, step) };
}

/** Adds the update of one parameter and of its slots. */
export function emitOptimizerStep(
  b: ProgramBuilder,
  options: OptimizerOptions,
  parameter: string,
  gradient: Ref,
  weightDecay: number,
): void {
  const optimizer = optimizerOf(options);
  const shape = b.shape(gradient);
  const names = [parameter, ...slotNames(options, parameter)];
  const results = optimizer.step(b, options, {
    parameter: b.state(parameter, shape),
    gradient,
    learningRate: b.input('learningRate', []),
    weightDecay,
    slot: (slot) => b.state(slotName(slot, parameter), shape, { initial: 0, like: parameter }),
  });
  names.forEach((name, i) => {
    b.update(name, results[i]);
  });
}
