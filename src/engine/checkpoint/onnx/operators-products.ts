/** Products by index letters: Einsum as a product of matrices. */
import { float32Tensor } from '../../graph/tensor.ts';
import type { DraftId } from './draft.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';

interface Equation {
  readonly left: readonly string[];
  readonly right: readonly string[];
  readonly output: readonly string[];
}

function parse(call: OperatorCall): Equation {
  const text = call.string('equation', '').replaceAll(' ', '');
  const found = /^([A-Za-z]+),([A-Za-z]+)->([A-Za-z]*)$/.exec(text);
  if (!found || call.inputs.length !== 2)
    return call.fail(`computes '${text}', which Espalier takes over only as a product of two values`);
  const [left, right, output] = found.slice(1).map((letters) => [...letters]);
  for (const letters of [left, right, output])
    if (new Set(letters).size !== letters.length) call.fail(`repeats an index in '${text}'`);
  return { left, right, output };
}

/** The value with its dimensions in the order of the letters, those that stand together as one. */
function arranged(
  call: OperatorCall,
  x: DraftId,
  from: readonly string[],
  parts: readonly (readonly string[])[],
): DraftId {
  const { graph } = call.scope;
  const order = parts.flat();
  const permutation = order.map((letter) => from.indexOf(letter));
  const isInOrder = permutation.every((axis, i) => axis === i);
  const moved = isInOrder ? x : call.add('transpose', [x], { permutation });
  const shape = graph.shape(moved);
  let at = 0;
  const merged = parts.map((part, i) => {
    const sizes = shape.slice(at, at + part.length);
    at += part.length;
    // Letters of the batch stay apart: the products go over them.
    return i === 0 ? sizes : [sizes.reduce((a, b) => a * b, 1)];
  });
  return call.reshape(moved, merged.flat());
}

/** Σ over the letters that the output lacks: batch letters are in all three, the rest is a product of two matrices. */
const einsum: OperatorRule = (call) => {
  const { left, right, output } = parse(call);
  const { graph } = call.scope;
  const [a, b] = [call.operand(0), call.operand(1)];
  const sizeOf = new Map([
    ...left.map((letter, i) => [letter, graph.shape(a)[i]] as const),
    ...right.map((letter, i) => [letter, graph.shape(b)[i]] as const),
  ]);
  const batch = left.filter((letter) => right.includes(letter) && output.includes(letter));
  const contracted = left.filter((letter) => right.includes(letter) && !output.includes(letter));
  const rows = left.filter((letter) => !right.includes(letter));
  const columns = right.filter((letter) => !left.includes(letter));
  if ([...rows, ...columns].some((letter) => !output.includes(letter)))
    call.fail('sums over an index of one value alone');
  const first = arranged(call, a, left, [batch, rows, contracted]);
  const second = arranged(call, b, right, [batch, contracted, columns]);
  const product = call.add('matmul', [first, second], { transposeB: false });
  const natural = [...batch, ...rows, ...columns];
  const apart = call.reshape(
    product,
    natural.map((letter) => sizeOf.get(letter) as number),
  );
  const permutation = output.map((letter) => natural.indexOf(letter));
  return permutation.every((axis, i) => axis === i)
    ? call.computed(apart)
    : call.emit('transpose', [apart], { permutation });
};

/** Below any score: what a mask hides. */
const HIDDEN = -1e9;

/** What is added to the scores: a mask of truths hides where it is false. */
function maskOf(call: OperatorCall): DraftId {
  const mask = call.value(3);
  if (mask.kind !== 'known' || mask.constant.each[0].type !== 'bool') return call.operand(3);
  const { data, shape } = mask.constant.each[0];
  return call.add('constant', [], {
    tensor: float32Tensor(
      shape,
      Float32Array.from(data, (seen) => (seen ? 0 : HIDDEN)),
    ),
  });
}

/** Attention over [N, heads, tokens, width] as operator set 23 has it. */
const attention: OperatorRule = (call) => {
  const [queries, keys] = [call.shape(0), call.shape(1)];
  if (queries.length !== 4)
    call.fail('takes heads and their channels as one dimension, which Espalier cannot take over');
  if (queries[1] !== keys[1]) call.fail('has several heads that share keys, which Espalier cannot take over');
  if (call.has(4) || call.has(5) || call.int('is_causal', 0) || call.float('softcap', 0))
    call.fail('looks back or caps its scores, which Espalier cannot take over');
  const width = queries[3];
  const scaled = call.add('scale', [call.operand(0)], { by: call.float('scale', 0) || width ** -0.5 });
  const product = call.add('matmul', [scaled, call.operand(1)], { transposeB: true });
  const scores = call.has(3) ? call.add('add', [product, maskOf(call)], {}) : product;
  const shares = call.add('softmax', [scores], { axis: 3 });
  return call.emit('matmul', [shares, call.operand(2)], { transposeB: false });
};

export const productOperators: Readonly<Record<string, OperatorRule>> = { Attention: attention, Einsum: einsum };
