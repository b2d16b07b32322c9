/** ATen operations that cut values into windows, and put windows together. */
import type { AtenCall, AtenRule } from './aten-call.ts';

/** Matrices that put windows together: 64 MB. */
const MAX_ENTRIES = 1 << 24;

/** x.unfold(dim, size, step): windows of one dimension, their entries as a new last dimension. */
const unfold: AtenRule = (call) => {
  const sizes = call.sizes('self');
  const rank = sizes.length;
  const axis = call.axis(call.int('dimension', 0), rank);
  const [size, step] = [call.int('size', 1), call.int('step', 1)];
  const count = call.output().sizes[axis];
  if (count === undefined || count < 0) return call.refuse('it cuts the batch into windows');
  const indices = Array.from({ length: count * size }, (_, i) => Math.floor(i / size) * step + (i % size));
  const taken = call.emit('Gather', [call.tensor('self'), call.integers(indices)], { axis });
  const apart = call.reshaped(taken, [...sizes.slice(0, axis), count, size, ...sizes.slice(axis + 1)]);
  const perm = [...Array(rank + 1).keys()].filter((d) => d !== axis + 1).concat(axis + 1);
  return call.result('Transpose', [apart], { perm });
};

const pair = (call: AtenCall, name: string, otherwise: number): readonly [number, number] =>
  call.pair(name, [otherwise, otherwise]);

interface Windows {
  readonly kernel: readonly [number, number];
  readonly padding: readonly [number, number];
  /** Where entry `tap` of window `window` lies in the padded image of this width. */
  place(tap: number, window: number): number;
  readonly taps: number;
  readonly count: number;
}

function windowsOf(call: AtenCall, height: number, width: number): Windows {
  const kernel = pair(call, 'kernel_size', 1);
  const [dilation, padding, stride] = [pair(call, 'dilation', 1), pair(call, 'padding', 0), pair(call, 'stride', 1)];
  const sides = [height, width].map(
    (size, i) => Math.floor((size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i]) + 1,
  );
  const padded = width + 2 * padding[1];
  return {
    kernel,
    padding,
    taps: kernel[0] * kernel[1],
    count: sides[0] * sides[1],
    place: (tap, window) => {
      const row = Math.floor(window / sides[1]) * stride[0] + Math.floor(tap / kernel[1]) * dilation[0];
      const column = (window % sides[1]) * stride[1] + (tap % kernel[1]) * dilation[1];
      return row * padded + column;
    },
  };
}

/** Images [N, C, H, W] as windows [N, C · taps, count]. */
const im2col: AtenRule = (call) => {
  const [n, channels, height, width] = call.sizes('self') as readonly number[];
  const { padding, place, taps, count } = windowsOf(call, height, width);
  const [top, left] = padding;
  const x =
    top || left
      ? call.emit('Pad', [call.tensor('self'), call.integers([0, 0, top, left, 0, 0, top, left])])
      : call.tensor('self');
  const flat = call.reshaped(x, [n, channels, (height + 2 * top) * (width + 2 * left)]);
  const indices = Array.from({ length: taps * count }, (_, i) => place(Math.floor(i / count), i % count));
  call.resultReshaped(call.emit('Gather', [flat, call.integers(indices)], { axis: 2 }));
};

/** Windows [N, C · taps, count] added up to images: a product with the matrix of what goes where. */
const col2im: AtenRule = (call) => {
  const [n, channels, height, width] = call.output().sizes as readonly number[];
  const { padding, place, taps, count } = windowsOf(call, height, width);
  const positions = height * width;
  if (!(taps * count * positions <= MAX_ENTRIES)) return call.refuse('it puts together more windows than fit a matrix');
  const matrix = new Float32Array(taps * count * positions);
  const padded = width + 2 * padding[1];
  for (let i = 0; i < taps * count; i++) {
    const at = place(Math.floor(i / count), i % count);
    const [row, column] = [Math.floor(at / padded) - padding[0], (at % padded) - padding[1]];
    if (row >= 0 && row < height && column >= 0 && column < width) matrix[i * positions + row * width + column] = 1;
  }
  const flat = call.reshaped(call.tensor('self'), [n, channels, taps * count]);
  return call.resultReshaped(call.emit('MatMul', [flat, call.floatTensor([taps * count, positions], matrix)]));
};

export const windowRules: Readonly<Record<string, AtenRule>> = { unfold, im2col, col2im };
