/** ATen operations that move, cut, join and make elements. */
import { type AtenCall, type AtenRule, INTERNAL } from './aten-call.ts';

/** Any operation that gives the same elements in another shape: the program says which. */
const reshape: AtenRule = (call) => call.resultReshaped(call.tensor(call.has('self') ? 'self' : 'input'));

const transposed =
  (order: (call: AtenCall, rank: number) => readonly number[]): AtenRule =>
  (call) =>
    call.result('Transpose', [call.tensor('self')], { perm: order(call, call.rank('self')) });

function exchanged(rank: number, a: number, b: number): number[] {
  const order = [...Array(rank).keys()];
  [order[a], order[b]] = [order[b], order[a]];
  return order;
}

const swap: AtenRule = transposed((call, rank) => {
  const [a, b] = (['dim0', 'dim1'] as const).map((name) =>
    call.axis(call.int(call.has(name) ? name : name.replace('dim', 'axis'), 0), rank),
  );
  return exchanged(rank, a, b);
});

const movedim: AtenRule = transposed((call, rank) => {
  const from = call.ints('source').map((axis) => call.axis(axis, rank));
  const to = call.ints('destination').map((axis) => call.axis(axis, rank));
  const rest = [...Array(rank).keys()].filter((axis) => !from.includes(axis));
  return Array.from({ length: rank }, (_, i) => {
    const at = to.indexOf(i);
    return at >= 0 ? from[at] : (rest.shift() as number);
  });
});

/** In lists of a dimension that grows with the batch, or not. */
const isSame = (a: readonly (number | undefined)[], b: readonly (number | undefined)[]): boolean =>
  String(a) === String(b);

const slice: AtenRule = (call) => {
  if (isSame(call.sizes('self'), call.output().sizes)) return call.result('Identity', [call.tensor('self')]);
  const bounds = [call.int('start', 0), call.int('end', 2 ** 53), call.int('dim', 0), call.int('step', 1)];
  const [start, end, axis, step] = bounds.map((value) => call.integers([value]));
  return call.result('Slice', [call.tensor('self'), start, end, axis, step]);
};

const select: AtenRule = (call) =>
  call.result('Gather', [call.tensor('self'), call.constant(call.int('index', 0), true)], { axis: call.int('dim', 0) });

/** Pieces along a dimension, as long as the program says. */
const split: AtenRule = (call) => {
  const rank = call.rank('self');
  const axis = call.axis(call.int('dim', 0), rank);
  const pieces = call.node.outputs.map((_, i) => call.output(i).sizes[axis]);
  if (pieces.some((size) => size === undefined || size < 0)) call.refuse('it cuts the batch');
  call.result('Split', [call.tensor('self'), call.integers(pieces as number[])], { axis });
};

const unbind: AtenRule = (call) => {
  const axis = call.axis(call.int('dim', 0), call.rank('self'));
  const x = call.tensor('self');
  call.node.outputs.forEach((_, i) => {
    call.resultAt(i, 'Gather', [x, call.constant(i, true)], { axis });
  });
};

const concat: AtenRule = (call) => {
  const tensors = call.tensors('tensors') as readonly string[];
  call.result('Concat', tensors, { axis: call.int('dim', 0) });
};

const stack: AtenRule = (call) => {
  const { sizes } = call.output();
  const axis = call.axis(call.int('dim', 0), sizes.length);
  const one = sizes.map((size, i) => (i === axis ? 1 : size));
  const tensors = call.tensors('tensors') as readonly string[];
  call.result(
    'Concat',
    tensors.map((x) => call.reshaped(x, one)),
    { axis },
  );
};

/** Entries by constant indices: of one dimension, or of several neighbours as one. */
const index: AtenRule = (call) => {
  const indices = call.tensors('indices');
  const sizes = call.sizes('self');
  const given = indices.flatMap((name, i) => (name === undefined ? [] : [{ name, i }]));
  const [first] = given;
  if (!first) return call.result('Identity', [call.tensor('self')]);
  const argument = call.argument('indices');
  const isTruth = argument?.kind === 'tensors' && argument.names.some((name) => name && call.meta(name).type === 12);
  if (isTruth) call.refuse('it chooses elements by a mask');
  if (given.some(({ i }, k) => i !== first.i + k)) call.refuse('it takes entries of dimensions that are no neighbours');
  const merged = given.map(({ i }) => sizes[i]);
  if (merged.some((size) => size === undefined || size < 0)) return ofImages(call, given);
  // Row-major: (i, j) of [a, b] is i · b + j.
  const flat = given
    .slice(1)
    .reduce(
      (value, { name, i }) =>
        call.emit('Add', [call.emit('Mul', [value, call.constant(sizes[i] as number, true)]), name]),
      first.name,
    );
  const total = (merged as number[]).reduce((a, b) => a * b, 1);
  const x =
    given.length === 1
      ? call.tensor('self')
      : call.reshaped(call.tensor('self'), [...sizes.slice(0, first.i), total, ...sizes.slice(first.i + given.length)]);
  return call.result('Gather', [x, flat], { axis: first.i });
};

/** Entries by index tuples, the first of them the number of an image: each image's own, where its mask is made for attention. */
function ofImages(call: AtenCall, given: readonly { readonly name: string; readonly i: number }[]): void {
  if (given[0].i !== 0) call.refuse('it chooses among the images');
  const rest = call.rank('self') - given.length;
  const { sizes } = call.output();
  const shape = sizes.slice(0, sizes.length - rest);
  const tuples = given.map(({ name }) =>
    call.reshaped(call.emit('Expand', [name, call.shapeValue(shape)]), [...shape, 1]),
  );
  call.result('GatherND', [call.tensor('self'), call.emit('Concat', tuples, { axis: shape.length })]);
}

/** ONNX's names of what a border repeats. */
const BORDERS: Readonly<Record<string, string>> = { reflect: 'reflect', replicate: 'edge', circular: 'wrap' };

const pad: AtenRule = (call) => {
  const amounts = call.ints('pad');
  const mode = call.text('mode', 'constant');
  const rank = call.rank('self');
  // PyTorch counts dimensions from the last.
  const dimensions = Array.from({ length: amounts.length / 2 }, (_, k) => ({
    axis: rank - 1 - k,
    before: amounts[2 * k],
    after: amounts[2 * k + 1],
  }));
  const pads = Array<number>(2 * rank).fill(0);
  for (const { axis, before, after } of dimensions) [pads[axis], pads[rank + axis]] = [before, after];
  const value = mode === 'constant' ? (call.number('value') ?? 0) : 0;
  const inputs = [call.tensor('self'), call.integers(pads), ...(value ? [call.constant(value)] : [])];
  call.result('Pad', inputs, { mode: BORDERS[mode] ?? mode });
};

const roll: AtenRule = (call) => {
  const rank = call.rank('self');
  const axes = call.ints('dims').map((axis) => call.axis(axis, rank));
  if (!axes.length) call.refuse('it rolls all elements as one');
  call.result('Roll', [call.tensor('self')], { axes, shifts: call.ints('shifts') }, INTERNAL);
};

const flip: AtenRule = (call) => {
  const sizes = call.sizes('self');
  let x = call.tensor('self');
  for (const given of call.ints('dims')) {
    const axis = call.axis(given, sizes.length);
    const size = sizes[axis];
    if (size === undefined || size < 0) return call.refuse('it turns the batch around');
    x = call.emit('Gather', [x, call.integers(Array.from({ length: size }, (_, i) => size - 1 - i))], { axis });
  }
  return call.result('Identity', [x]);
};

/** [N, C r², H, W] → [N, C, H r, W r], or back. */
const pixelShuffle =
  (back: boolean): AtenRule =>
  (call) => {
    const [n, c, h, w] = call.sizes('self') as readonly number[];
    const r = call.int(back ? 'downscale_factor' : 'upscale_factor', 1);
    const apart = back ? [n, c, h / r, r, w / r, r] : [n, c / (r * r), r, r, h, w];
    const perm = back ? [0, 1, 3, 5, 2, 4] : [0, 1, 4, 2, 5, 3];
    call.resultReshaped(call.emit('Transpose', [call.reshaped(call.tensor('self'), apart)], { perm }));
  };

const channelShuffle: AtenRule = (call) => {
  const [n, c, ...rest] = call.sizes(call.has('self') ? 'self' : 'input') as readonly number[];
  const groups = call.int('groups', 1);
  const apart = call.reshaped(call.tensor(call.has('self') ? 'self' : 'input'), [n, groups, c / groups, ...rest]);
  call.resultReshaped(call.emit('Transpose', [apart], { perm: [0, 2, 1, ...rest.map((_, i) => i + 3)] }));
};

/** The triangle of a constant matrix. */
const triangle =
  (upper: number): AtenRule =>
  (call) =>
    call.result('Trilu', [call.tensor('self'), call.constant(call.int('diagonal', 0), true)], { upper });

const filled =
  (value: (call: AtenCall) => number): AtenRule =>
  (call) => {
    const { sizes, type } = call.output();
    const data =
      type === 7 || type === 6 || type === 13 || type === 8
        ? Float32Array.of(value(call))
        : BigInt64Array.of(BigInt(Math.trunc(value(call))));
    const tensor =
      data instanceof Float32Array
        ? { dtype: 'float32' as const, shape: [1], data }
        : { dtype: 'int64' as const, shape: [1], data };
    call.result('ConstantOfShape', [call.shapeValue(sizes)], { value: { tensor } });
  };

const arange: AtenRule = (call) => {
  const [size] = call.output().sizes;
  const integer = ![6, 7, 8, 13].includes(call.output().type);
  if (size === -1 && integer && (call.number('start') ?? 0) === 0 && (call.number('step') ?? 1) === 1)
    return call.result('Range', [call.constant(0, true), call.shapeValue([size]), call.constant(1, true)]);
  if (size === undefined || size < 0) return call.refuse('it counts the images');
  const bounds = [call.number('start') ?? 0, call.number('end') ?? size, call.number('step') ?? 1];
  return call.result(
    'Range',
    bounds.map((value) => call.constant(value, integer)),
  );
};

const linspace: AtenRule = (call) => {
  const [start, end, steps] = ['start', 'end', 'steps'].map((name) => call.number(name) ?? 0);
  const data = Float32Array.from({ length: steps }, (_, i) =>
    steps === 1 ? start : start + ((end - start) * i) / (steps - 1),
  );
  call.result('Identity', [call.floatTensor([steps], data)]);
};

export const shapeRules: Readonly<Record<string, AtenRule>> = {
  view: reshape,
  _unsafe_view: reshape,
  reshape,
  reshape_as: reshape,
  view_as: reshape,
  flatten: reshape,
  unflatten: reshape,
  squeeze: reshape,
  unsqueeze: reshape,
  permute: transposed((call, rank) => call.ints('dims').map((axis) => call.axis(axis, rank))),
  transpose: swap,
  swapaxes: swap,
  t: transposed((_, rank) => [...Array(rank).keys()].reverse()),
  numpy_T: transposed((_, rank) => [...Array(rank).keys()].reverse()),
  movedim,
  slice,
  select,
  narrow: (call) => {
    const [start, length] = [call.int('start', 0), call.int('length', 0)];
    call.result('Slice', [
      call.tensor('self'),
      ...[start, start + length, call.int('dim', 0)].map((value) => call.integers([value])),
    ]);
  },
  split,
  split_with_sizes: split,
  chunk: split,
  tensor_split: split,
  unbind,
  cat: concat,
  concat,
  stack,
  index,
  index_select: (call) =>
    call.result('Gather', [call.tensor('self'), call.tensor('index')], { axis: call.int('dim', 0) }),
  embedding: (call) => call.result('Gather', [call.tensor('weight'), call.tensor('indices')], { axis: 0 }),
  pad,
  constant_pad_nd: pad,
  roll,
  flip,
  pixel_shuffle: pixelShuffle(false),
  pixel_unshuffle: pixelShuffle(true),
  channel_shuffle: channelShuffle,
  zeros: filled(() => 0),
  zeros_like: filled(() => 0),
  new_zeros: filled(() => 0),
  ones: filled(() => 1),
  ones_like: filled(() => 1),
  new_ones: filled(() => 1),
  full: filled((call) => call.number('fill_value') ?? 0),
  full_like: filled((call) => call.number('fill_value') ?? 0),
  new_full: filled((call) => call.number('fill_value') ?? 0),
  scalar_tensor: (call) => call.result('Identity', [call.constant(call.number('s') ?? 0)]),
  arange,
  tril: triangle(0),
  triu: triangle(1),
  linspace,
};
