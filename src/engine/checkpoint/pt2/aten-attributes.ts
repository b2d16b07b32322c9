/** Attributes of the ONNX nodes that ATen calls become. */
import type { Tensor } from '../../graph/tensor.ts';
import type { OnnxAttribute } from '../onnx/onnx-proto.ts';

const tensorAttribute = (tensor: Tensor): OnnxAttribute => ({
  kind: 'tensor',
  value: { name: '', dtype: tensor.dtype, shape: tensor.shape, read: () => tensor },
});

export type AttributeValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly tensor: Tensor };

export function attributeOf(value: AttributeValue): OnnxAttribute {
  if (typeof value === 'number') return { kind: 'int', value };
  if (typeof value === 'string') return { kind: 'string', value };
  if ('float' in value) return { kind: 'float', value: value.float };
  if ('tensor' in value) return tensorAttribute(value.tensor);
  return { kind: 'ints', value };
}
