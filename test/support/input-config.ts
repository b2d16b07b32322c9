/** What small networks of tests take for an image. */
import type { InputConfig } from '../../src/engine/graph/graph.ts';

/** Square images of three channels, as they are. */
export const squareInput = (side: number, change: Partial<InputConfig> = {}): InputConfig => ({
  channels: 3,
  height: side,
  width: side,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  resize: side,
  interpolation: 'bilinear',
  ...change,
});
