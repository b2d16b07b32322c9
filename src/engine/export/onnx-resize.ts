/** Resizing as ONNX has it. */
import type { GraphNode } from '../graph/graph.ts';
import type { OperationAttributes } from '../graph/operations.ts';
import { resizeMatrix } from '../graph/resize-matrix.ts';
import type { OnnxScope } from './onnx-scope.ts';

const COORDINATES = {
  halfPixel: 'half_pixel',
  pytorchHalfPixel: 'pytorch_half_pixel',
  alignCorners: 'align_corners',
  asymmetric: 'asymmetric',
} as const;
const ROUNDINGS = {
  floor: 'floor',
  ceil: 'ceil',
  preferFloor: 'round_prefer_floor',
  preferCeil: 'round_prefer_ceil',
} as const;

/** Attributes of ONNX's Resize. */
const resizeAttributes = ({ mode, coordinates, rounding = 'floor' }: OperationAttributes['resize']) => ({
  mode,
  coordinate_transformation_mode: COORDINATES[coordinates],
  nearest_mode: ROUNDINGS[rounding],
});

export function resize(node: GraphNode<'resize'>, s: OnnxScope): void {
  const { size, scales, antialias } = node.attributes;
  const [first, channels, height, width] = s.inputShape(0);
  if (antialias) {
    // ONNX has it from operator set 18 on: a product with a matrix along each axis is the same in any.
    const matrix = (axis: 0 | 1, from: number): string =>
      s.writer.float(`${node.id}.${axis}`, [from, size[axis]], resizeMatrix(node.attributes, axis, from));
    const wide = s.op('MatMul', [s.input(0), matrix(1, width)]);
    s.result('MatMul', [s.op('Transpose', [matrix(0, height)], { perm: [1, 0] }), wide]);
    return;
  }
  const attributes = resizeAttributes(node.attributes);
  if (scales) {
    s.result(
      'Resize',
      [s.input(0), '', s.writer.float(`${node.id}.scales`, [4], Float32Array.of(1, 1, ...scales))],
      attributes,
    );
    return;
  }
  // Position embeddings are one for all images.
  const rest = s.writer.integers(`${node.id}.size`, [channels, ...size]);
  const count =
    first > 0 ? s.writer.integers(`${node.id}.count`, [first]) : s.op('Shape', [s.images], { start: 0, end: 1 });
  const sizes = s.op('Concat', [count, rest], { axis: 0 });
  s.result('Resize', [s.input(0), '', '', sizes], attributes);
}
