/** ONNX operators that add to a value around or between its entries: Pad, and norms over neighbouring channels. */
import { float32Tensor } from '../../graph/tensor.ts';
import type { DraftId } from './draft.ts';
import { borderIndices } from './fold-indices.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { gatherRows, sliceAxis } from './operators-slices.ts';

interface Border {
  readonly axis: number;
  readonly before: number;
  readonly after: number;
}

/** The largest float32: infinity would make NaN of 0 · ∞. */
const LARGEST = 3.4e38;

/** What a border of another number than zero adds: that number around zeros. */
function surround(call: OperatorCall, padded: DraftId, borders: readonly Border[], value: number): DraftId {
  const shape = call.scope.graph.shape(padded);
  const axes = borders.map(({ axis }) => axis);
  const first = Math.min(...axes);
  const sizes = shape.slice(first).map((size, i) => (axes.includes(first + i) ? size : 1));
  const data = new Float32Array(sizes.reduce((a, b) => a * b, 1));
  for (let flat = 0; flat < data.length; flat++) {
    let rest = flat;
    for (let i = sizes.length - 1; i >= 0; i--) {
      const at = rest % sizes[i];
      rest = Math.floor(rest / sizes[i]);
      const border = borders.find(({ axis }) => axis === first + i);
      if (border && (at < border.before || at >= sizes[i] - border.after)) data[flat] = value;
    }
  }
  return call.add('add', [padded, call.add('constant', [], { tensor: float32Tensor(sizes, data) })], {});
}

/** Dimensions and amounts of a padding; negative ones cut. */
const pad: OperatorRule = (call) => {
  const shape = call.shape(0);
  const mode = call.string('mode', 'constant');
  const given = call.has(2) ? call.scalar(2) : call.float('value', 0);
  if (given === undefined) return call.fail('pads with a computed value, which Espalier cannot take over');
  if (!['constant', 'reflect', 'edge', 'wrap'].includes(mode))
    call.fail(`pads by '${mode}', which Espalier does not know`);
  const amounts = call.ints('pads') ?? call.ints('paddings') ?? call.numbers(1) ?? [];
  const axes = call.numbers(3)?.map((axis) => call.axis(axis, shape.length)) ?? [...shape.keys()];
  const borders: Border[] = [];
  let x = call.operand(0);
  axes.forEach((axis, i) => {
    const [before, after] = [amounts[i] ?? 0, amounts[i + axes.length] ?? 0];
    const size = call.scope.graph.shape(x)[axis];
    if (before < 0 || after < 0) x = sliceAxis(call, x, axis, Math.max(0, -before), size - Math.max(0, -after));
    const border = { axis, before: Math.max(0, before), after: Math.max(0, after) };
    if (!border.before && !border.after) return;
    if (size < 0) call.fail('pads the batch');
    const rest = call.scope.graph.shape(x)[axis];
    if (mode === 'constant') x = call.add('pad', [x], border);
    else x = gatherRows(call, x, axis, borderIndices(mode, rest, border.before, border.after));
    borders.push(border);
  });
  if (mode !== 'constant' || given === 0 || !borders.length) return call.computed(x);
  return call.computed(surround(call, x, borders, Math.min(LARGEST, Math.max(-LARGEST, given))));
};

/** x / (bias + alpha / size · Σ x² of the neighbouring channels)^beta, as AlexNet has it. */
const localResponse: OperatorRule = (call) => {
  const shape = call.shape(0);
  const size = call.int('size', 1);
  const [alpha, beta, bias] = [call.float('alpha', 1e-4), call.float('beta', 0.75), call.float('bias', 1)];
  if (Math.abs(beta - 0.75) > 1e-6 && Math.abs(beta - 0.5) > 1e-6 && beta !== 1)
    call.fail(`raises to the power of ${beta}; Espalier knows it with 0.5, 0.75 and 1`);
  const x = call.operand(0);
  const [n, channels, ...positions] = shape;
  const rest = positions.reduce((a, b) => a * b, 1);
  const image = call.reshape(call.add('multiply', [x, x], {}), [n, 1, channels, rest]);
  const before = Math.floor((size - 1) / 2);
  const padding = { top: before, left: 0, bottom: size - 1 - before, right: 0 };
  const means = call.add('averagePool', [image], { kernel: [size, 1], stride: [1, 1], padding, countPadding: true });
  const number = (value: number): DraftId =>
    call.add('constant', [], { tensor: float32Tensor([1], Float32Array.of(value)) });
  const scaled = call.add('scale', [call.reshape(means, shape)], { by: alpha });
  const base = call.add('add', [scaled, number(bias)], {});
  if (beta === 1) return call.emit('divide', [x, base], {});
  const root = call.add('activation', [base], { function: 'sqrt' });
  if (beta < 0.6) return call.emit('divide', [x, root], {});
  const fourth = call.add('activation', [root], { function: 'sqrt' });
  return call.emit('divide', [x, call.add('multiply', [root, fourth], {})], {});
};

export const borderOperators: Readonly<Record<string, OperatorRule>> = { LRN: localResponse, Pad: pad };
