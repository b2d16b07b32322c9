/** ATen operations that cut values into windows, and put windows together. */
import { addingMatrix, type WindowSettings, windowsOf } from '../onnx/window-places.ts';
import type { AtenCall, AtenRule } from './aten-call.ts';

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

function settingsOf(call: AtenCall): WindowSettings {
  const padding = pair(call, 'padding', 0);
  return {
    kernel: pair(call, 'kernel_size', 1),
    dilation: pair(call, 'dilation', 1),
    stride: pair(call, 'stride', 1),
    before: padding,
    after: padding,
  };
}

/** Images [N, C, H, W] as windows [N, C · taps, count]. */
const im2col: AtenRule = (call) => {
  const [n, channels, height, width] = call.sizes('self') as readonly number[];
  const settings = settingsOf(call);
  const { place, taps, count } = windowsOf([height, width], settings);
  const [top, left] = settings.before;
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
  const matrix =
    addingMatrix([height, width], settingsOf(call)) ?? call.refuse('it puts together more windows than fit a matrix');
  const { rows, columns, data } = matrix;
  const flat = call.reshaped(call.tensor('self'), [n, channels, rows]);
  return call.resultReshaped(call.emit('MatMul', [flat, call.floatTensor([rows, columns], data)]));
};

export const windowRules: Readonly<Record<string, AtenRule>> = { unfold, im2col, col2im };
