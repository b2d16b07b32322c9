/** Products by index letters: Einsum as a product of matrices. */
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

export const productOperators: Readonly<Record<string, OperatorRule>> = { Einsum: einsum };
