/** ONNX's words for how images are resized. */
import type { OperationAttributes } from '../graph/operations.ts';

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
export const resizeAttributes = ({ mode, coordinates, rounding = 'floor' }: OperationAttributes['resize']) => ({
  mode,
  coordinate_transformation_mode: COORDINATES[coordinates],
  nearest_mode: ROUNDINGS[rounding],
});
