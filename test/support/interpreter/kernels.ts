/** What every kernel computes, in double precision: the definition that backends are compared with. */
import type { KernelAttributes, KernelKind } from '../../../src/engine/compute/programs/kernels.ts';
import { keepMask } from '../../../src/engine/compute/programs/noise.ts';
import { activate, activationDerivative } from '../../../src/engine/graph/activations.ts';
import {
  broadcastStrides,
  count,
  forEachIndex,
  gatherBy,
  mapValues,
  offset,
  strides,
  type Values,
  values,
  zip,
} from './array.ts';
import { onDoubles } from './elementwise.ts';
import * as layers from './layers.ts';
import * as optimizers from './optimizers.ts';
import * as windows from './windows.ts';

/** `shapes`: of the outputs, with the batch size filled in. */
export type KernelRule<K extends KernelKind> = (
  attributes: KernelAttributes[K],
  inputs: readonly Values[],
  context: { readonly shapes: readonly (readonly number[])[]; readonly batch: number },
) => readonly Values[];

const binary =
  (f: (a: number, b: number) => number): KernelRule<'add' | 'subtract' | 'multiply' | 'divide'> =>
  (_, [a, b], { shapes: [shape] }) => [zip(a, b, shape, f)];
const fromExecutor = (): never => {
  throw new Error('sources are given by the interpreter');
};
const channels = (i: number): boolean => i === 1;
const reshaped = (x: Values, shape: readonly number[]): Values => values(shape, x.data);

/** Position of an element of a slice in the whole: strides and start. */
function sliceAccess(shape: readonly number[], { axis, start, step }: KernelAttributes['slice']): [number[], number] {
  const whole = strides(shape);
  return [whole.map((s, i) => (i === axis ? s * step : s)), start * whole[axis]];
}

/** Writes d into zeros of `shape` at the positions of the access. */
function scatter(d: Values, shape: readonly number[], [step, start]: [number[], number]): Values {
  const out = values(shape);
  forEachIndex(d.shape, (index, flat) => {
    out.data[start + offset(index, step)] += d.data[flat];
  });
  return out;
}

export const kernelRules: { readonly [K in KernelKind]: KernelRule<K> } = {
  input: fromExecutor,
  state: fromExecutor,
  constant: ({ tensor }) => [values(tensor.shape, tensor.data)],
  keepMask: ({ probability, stream }, [seed], { shapes: [shape] }) => [
    values(shape, keepMask(seed.data, stream, count(shape), probability)),
  ],
  conv: (a, inputs, { shapes }) => [windows.conv(a, inputs, shapes[0])],
  convInputGradient: (a, inputs, { shapes }) => [windows.convInputGradient(a, inputs, shapes[0])],
  convWeightGradient: (a, inputs, { shapes }) => [windows.convWeightGradient(a, inputs, shapes[0])],
  patches: (a, inputs, { shapes }) => [windows.patches(a, inputs, shapes[0])],
  linear: (_, inputs, { shapes }) => [layers.linear(inputs, shapes[0])],
  matmul: (a, [x, y], { shapes }) => [layers.matmul(x, y, shapes[0], a)],
  batchNorm: ({ eps }, [x, w, b, mean, variance]) => {
    const inverse = layers.along(layers.inverseDeviation(variance, eps), 1, x.shape.length);
    return [layers.normalise(x, w, b, layers.along(mean, 1, x.shape.length), inverse, 1)];
  },
  batchNormGradient: ({ eps }, [d, x, w, mean, variance]) => {
    const inverse = layers.along(layers.inverseDeviation(variance, eps), 1, x.shape.length);
    return layers.normaliseGradient([d, x, w, layers.along(mean, 1, x.shape.length), inverse], 1);
  },
  batchNormTraining: ({ eps }, [x, w, b], { shapes }) => {
    const { mean, variance } = layers.statistics(x, channels);
    const y = layers.normalise(x, w, b, mean, layers.inverseDeviation(variance, eps), 1);
    const n = x.data.length / w.data.length;
    const unbiased = layers.scaled(variance, n / (n - 1));
    return [y, ...[mean, unbiased, mean, variance].map((v) => reshaped(v, shapes[1]))];
  },
  batchNormTrainingGradient: ({ eps }, [d, x, w, mean, variance]) => {
    const rank = x.shape.length;
    const inverse = layers.along(layers.inverseDeviation(variance, eps), 1, rank);
    return layers.normaliseGradient([d, x, w, layers.along(mean, 1, rank), inverse], 1, channels);
  },
  layerNorm: ({ eps, axis }, [x, w, b]) => {
    const { mean, variance } = layers.statistics(x, (i) => i !== axis);
    const inverse = layers.inverseDeviation(variance, eps);
    return [layers.normalise(x, w, b, mean, inverse, axis), mean, inverse];
  },
  layerNormGradient: ({ axis }, inputs) => layers.normaliseGradient(inputs, axis, (i) => i !== axis),
  activation: (a, [x]) => [mapValues(x, (v) => activate(onDoubles, a, v))],
  activationGradient: (a, [d, saved]) => [zip(d, saved, d.shape, (v, s) => v * activationDerivative(onDoubles, a, s))],
  softmax: ({ axis }, [x]) => [layers.softmax(x, axis)],
  softmaxGradient: ({ axis }, [d, y]) => [layers.softmaxGradient(d, y, axis)],
  maxPool: (a, inputs, { shapes }) => [windows.maxPool(a, inputs, shapes[0])],
  maxPoolGradient: (a, inputs) => [windows.maxPoolGradient(a, inputs)],
  averagePool: (a, inputs, { shapes }) => [windows.averagePool(a, inputs, shapes[0])],
  averagePoolGradient: (a, inputs, { shapes }) => [windows.averagePoolGradient(a, inputs, shapes[0])],
  add: binary((a, b) => a + b),
  subtract: binary((a, b) => a - b),
  multiply: binary((a, b) => a * b),
  divide: binary((a, b) => a / b),
  square: (_, [x]) => [mapValues(x, (v) => v * v)],
  inverseRoot: ({ eps }, [x]) => [layers.inverseDeviation(x, eps)],
  scale: ({ by }, [x], { batch }) => [layers.scaled(x, by === 'inverse batch' ? 1 / batch : by)],
  lerp: (_, [a, b, t]) => [zip(a, b, a.shape, (x, y) => (1 - t.data[0]) * x + t.data[0] * y)],
  concat: ({ axis }, inputs, { shapes: [shape] }) => {
    const out = values(shape);
    const step = strides(shape);
    let start = 0;
    for (const x of inputs) {
      forEachIndex(x.shape, (index, flat) => {
        out.data[start * step[axis] + offset(index, step)] = x.data[flat];
      });
      start += x.shape[axis];
    }
    return [out];
  },
  slice: (a, [x], { shapes: [shape] }) => [gatherBy(x, shape, ...sliceAccess(x.shape, a))],
  sliceGradient: (a, [d], { shapes: [shape] }) => [scatter(d, shape, sliceAccess(shape, a))],
  pad: ({ axis, before }, [x], { shapes: [shape] }) => [
    scatter(x, shape, sliceAccess(shape, { axis, start: before, end: 0, step: 1 })),
  ],
  reshape: (_, [x], { shapes: [shape] }) => [reshaped(x, shape)],
  transpose: ({ permutation }, [x], { shapes: [shape] }) => {
    const step = strides(x.shape);
    return [
      gatherBy(
        x,
        shape,
        permutation.map((i) => step[i]),
      ),
    ];
  },
  roll: ({ axes, shifts }, [x]) => {
    const out = values(x.shape);
    const step = strides(x.shape);
    forEachIndex(x.shape, (index, flat) => {
      const moved = index.map((at, axis) => {
        const size = x.shape[axis];
        const shift = axes.reduce((sum, a, i) => (a === axis ? sum + shifts[i] : sum), 0);
        return (((at + shift) % size) + size) % size;
      });
      out.data[offset(moved, step)] = x.data[flat];
    });
    return [out];
  },
  gather: ({ indices }, [table], { shapes: [shape] }) => {
    const row = count(table.shape.slice(1));
    const out = values(shape);
    indices.forEach((from, to) => {
      out.data.set(table.data.subarray(from * row, (from + 1) * row), to * row);
    });
    return [out];
  },
  gatherGradient: ({ indices }, [d], { shapes: [shape] }) => {
    const row = count(shape.slice(1));
    const out = values(shape);
    indices.forEach((to, from) => {
      for (let i = 0; i < row; i++) out.data[to * row + i] += d.data[from * row + i];
    });
    return [out];
  },
  expand: (_, [x], { shapes: [shape] }) => [gatherBy(x, shape, broadcastStrides(x.shape, shape))],
  mean: ({ axes }, [x], { shapes: [shape] }) => {
    const sum = layers.sumOver(x, (i) => !axes.includes(i));
    return [reshaped(layers.scaled(sum, sum.data.length / x.data.length), shape)];
  },
  sum: ({ axes }, [x], { shapes: [shape] }) => [
    reshaped(
      layers.sumOver(x, (i) => !axes.includes(i)),
      shape,
    ),
  ],
  sumTo: (_, [x], { shapes: [shape] }) => {
    const out = values(shape);
    const step = broadcastStrides(shape, x.shape);
    forEachIndex(x.shape, (index, flat) => {
      out.data[offset(index, step)] += x.data[flat];
    });
    return [out];
  },
  globalNorm: (_, inputs) => {
    let sum = 0;
    for (const x of inputs) for (const v of x.data) sum += v * v;
    return [values([], [Math.sqrt(sum)])];
  },
  clipFactor: ({ limit }, [norm]) => [values([], [Math.min(1, limit / (norm.data[0] + 1e-6))])],
  oneHot: ({ on, off }, [labels], { shapes: [shape] }) => {
    const out = values(shape);
    out.data.fill(off);
    labels.data.forEach((label, row) => {
      out.data[row * shape[1] + label] = on;
    });
    return [out];
  },
  argMax: (_, [x], { shapes: [shape] }) => {
    const out = values(shape);
    const size = x.shape.at(-1) as number;
    for (let row = 0; row < out.data.length; row++) {
      const line = x.data.subarray(row * size, (row + 1) * size);
      out.data[row] = line.indexOf(line.reduce((a, b) => Math.max(a, b)));
    }
    return [out];
  },
  crossEntropy: (_, [logits, targets]) => layers.crossEntropy(logits, targets),
  sgdStep: optimizers.sgdStep,
  adamWStep: optimizers.adamWStep,
  rmsPropStep: optimizers.rmsPropStep,
};
