/** Targets and losses: [N, classes], small beside the network. */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { KernelRule } from './kernel-context.ts';

export const oneHot: KernelRule<'oneHot'> = (context, { attributes: { classes, on, off }, shapes }, [labels]) => {
  const tensor = context.filled(shapes[0], [labels.tensor], (target, source) => {
    target.fill(off);
    source.forEach((label, row) => {
      target[row * classes + label] = on;
    });
  });
  return [context.laid(tensor, shapes[0])];
};

export const argMax: KernelRule<'argMax'> = (context, { shapes: [shape] }, [x]) => [
  context.laid(context.tf.argMax(context.plain(x).tensor, shape.length), shape),
];

export const crossEntropy: KernelRule<'crossEntropy'> = (context, { shapes }, inputs) => {
  const { tf } = context;
  const [logits, targets] = inputs.map((x) => context.plain(x).tensor as Tensor2D);
  const shifted = tf.sub(logits, tf.max(logits, 1, true));
  const powers = tf.exp(shifted);
  const sums = tf.sum(powers, 1, true);
  const logarithms = tf.sub(shifted, tf.log(sums));
  return [
    context.laid(tf.neg(tf.sum(tf.mul(targets, logarithms), 1)), shapes[0]),
    context.laid(tf.sub(tf.div(powers, sums), targets), shapes[1]),
  ];
};
