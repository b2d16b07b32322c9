/** ONNX operators for pooling. */
import type { KernelAttributes } from '../programs/kernels.ts';
import { pads } from './convolution-rules.ts';
import type { KernelLowering, LoweringRule } from './kernel-lowering.ts';
import type { Attributes } from './onnx-graph.ts';

type Pool = KernelAttributes['maxPool'];

const poolAttributes = ({ kernel, stride, padding }: Pool): Attributes => ({
  kernel_shape: kernel,
  strides: stride,
  pads: pads(padding),
});

export const maxPool: LoweringRule<'maxPool'> = (c, { attributes }, [x]) => [
  c.op('MaxPool', [x.name], poolAttributes(attributes)),
];

/** d added where MaxPool says that it found the first maximum; its indices count from the first element of all. */
export const maxPoolGradient: LoweringRule<'maxPoolGradient'> = (c, { attributes, shapes: [shape] }, [d, x]) => {
  const [, indices] = c.graph.outputs('MaxPool', [x.name], poolAttributes(attributes), 2);
  const flat = c.graph.ints([-1]);
  const count = c.op('ReduceProd', [c.sizes(shape)], { axes: [0], keepdims: 1 });
  const zeros = c.op('Expand', [c.graph.float(0), count]);
  const positions = c.op('Reshape', [indices, flat]);
  const sums = c.op('ScatterElements', [zeros, positions, c.op('Reshape', [d.name, flat])], {
    axis: 0,
    reduction: 'add',
  });
  return [c.reshape(sums, shape)];
};

export const averagePool: LoweringRule<'averagePool'> = (c, { attributes }, [x]) => [
  c.op('AveragePool', [x.name], { ...poolAttributes(attributes), count_include_pad: attributes.countPadding ? 1 : 0 }),
];

/**
 * The shares [outputs, inputs] that every output has in every input along one dimension. A window's area is the product of its sides, so
 * that the gradient is rowsᵀ · d · columns.
 */
function shares(
  c: KernelLowering,
  a: KernelAttributes['averagePool'],
  i: 0 | 1,
  inputs: number,
  outputs: number,
): string {
  const data = new Float32Array(outputs * inputs);
  for (let o = 0; o < outputs; o++) {
    const start = o * a.stride[i] - (i === 0 ? a.padding.top : a.padding.left);
    const [from, to] = [Math.max(0, start), Math.min(inputs, start + a.kernel[i])];
    data.fill(1 / (a.countPadding ? a.kernel[i] : to - from), o * inputs + from, o * inputs + to);
  }
  return c.graph.constant([outputs, inputs], data);
}

export const averagePoolGradient: LoweringRule<'averagePoolGradient'> = (c, { attributes: a }, [d]) => {
  const [, , height, width] = a.inputShape;
  const rows = c.transpose(shares(c, a, 0, height, d.shape[2]), [1, 0]);
  const wide = c.op('MatMul', [d.name, shares(c, a, 1, width, d.shape[3])]);
  return [c.op('MatMul', [rows, wide])];
};
