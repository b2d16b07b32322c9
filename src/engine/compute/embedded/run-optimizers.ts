/** Optimiser steps, in the formulas of torch.optim: see kernels.ts. All values are in the parameter's order. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';

/** The new values, laid as the parameter is. */
const like = (parameter: Laid, tensors: readonly Tensor[]): readonly Laid[] =>
  tensors.map((tensor) => ({ ...parameter, tensor }));

/** Tensors of parameter, gradient, … with everything of the parameter's shape in its order. */
function tensorsOf(context: KernelContext, inputs: readonly Laid[]): Tensor[] {
  const [parameter] = inputs;
  return inputs.map((x) => (x.shape.length === 0 ? x : context.inOrder(x, parameter.order)).tensor);
}

function decayed({ tf }: KernelContext, parameter: Tensor, gradient: Tensor, weightDecay: number): Tensor {
  return weightDecay ? tf.add(gradient, tf.mul(parameter, weightDecay)) : gradient;
}

export const sgdStep: KernelRule<'sgdStep'> = (context, { attributes }, inputs) => {
  const { momentum, nesterov, weightDecay } = attributes;
  const { tf } = context;
  const [p, gradient, rate, velocity] = tensorsOf(context, inputs);
  const g = decayed(context, p, gradient, weightDecay);
  if (!velocity) return like(inputs[0], [tf.sub(p, tf.mul(g, rate))]);
  const v = tf.add(tf.mul(velocity, momentum), g);
  const direction = nesterov ? tf.add(g, tf.mul(v, momentum)) : v;
  return like(inputs[0], [tf.sub(p, tf.mul(direction, rate)), v]);
};

export const adamWStep: KernelRule<'adamWStep'> = (context, { attributes }, inputs) => {
  const { beta1, beta2, eps, weightDecay } = attributes;
  const { tf } = context;
  const [p, g, rate, oldM, oldV, firstCorrection, secondCorrection] = tensorsOf(context, inputs);
  const m = tf.add(tf.mul(oldM, beta1), tf.mul(g, 1 - beta1));
  const v = tf.add(tf.mul(oldV, beta2), tf.mul(tf.square(g), 1 - beta2));
  const kept = weightDecay ? tf.mul(p, tf.sub(1, tf.mul(rate, weightDecay))) : p;
  const deviation = tf.add(tf.sqrt(tf.div(v, secondCorrection)), eps);
  const step = tf.div(tf.mul(m, tf.div(rate, firstCorrection)), deviation);
  return like(inputs[0], [tf.sub(kept, step), m, v]);
};

export const rmsPropStep: KernelRule<'rmsPropStep'> = (context, { attributes }, inputs) => {
  const { alpha, eps, momentum, weightDecay } = attributes;
  const { tf } = context;
  const [p, gradient, rate, average, velocity] = tensorsOf(context, inputs);
  const g = decayed(context, p, gradient, weightDecay);
  const s = tf.add(tf.mul(average, alpha), tf.mul(tf.square(g), 1 - alpha));
  const direction = tf.div(g, tf.add(tf.sqrt(s), eps));
  if (!velocity) return like(inputs[0], [tf.sub(p, tf.mul(direction, rate)), s]);
  const v = tf.add(tf.mul(velocity, momentum), direction);
  return like(inputs[0], [tf.sub(p, tf.mul(v, rate)), s, v]);
};
