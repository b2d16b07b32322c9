/** What is written into a value, or into a part of it, in place. */
import type { AtenCall, AtenRule } from './aten-call.ts';
import type { ProgramSize } from './exported-program.ts';
import { type Part, rootAxis, type Window } from './windows-of-values.ts';

/** The part of a value that a slice or one entry of a dimension is. */
export function partOfCall(call: AtenCall, before: Part): Part | undefined {
  if (call.operation !== 'slice' && call.operation !== 'select') return undefined;
  const found = call.operation === 'slice' ? windowOf(call) : entryOf(call);
  if (!found) return undefined;
  const axis = rootAxis(before, found.axis);
  const dropped = call.operation === 'select' ? [...before.dropped, axis] : before.dropped;
  return { root: before.root, windows: [...before.windows, { ...found, axis }], dropped };
}

/** Of one entry of a dimension that is no number of images. */
function entryOf(call: AtenCall): Window | undefined {
  const sizes = call.sizes('self');
  const axis = call.axis(call.int('dim', 0), sizes.length);
  const size = sizes[axis];
  if (size === undefined || size < 0) return undefined;
  const index = call.int('index', 0);
  const start = index < 0 ? index + size : index;
  return { axis, start, end: start + 1, step: 1 };
}

/** Of a slice whose parts come one after another. */
function windowOf(call: AtenCall): Window {
  const [size, count] = [call.sizes('self'), call.output().sizes];
  const axis = call.axis(call.int('dim', 0), size.length);
  const whole = size[axis] ?? 0;
  // Of the images all or none: a number that is open has no other parts.
  if (whole < 0) return { axis, start: 0, end: count[axis] ?? 0, step: 1 };
  const start = call.int('start', 0);
  const from = Math.min(Math.max(start < 0 ? start + whole : start, 0), whole);
  const step = call.int('step', 1);
  return { axis, start: from, end: from + (count[axis] ?? 0) * step, step };
}

/** Entries of one dimension of a value; the value itself where that is all. */
function cut(call: AtenCall, x: string, axis: number, start: number, end: number): string {
  return call.emit('Slice', [x, ...[start, end, axis].map((value) => call.integers([value]))]);
}

/** A value with a part of it replaced. Refuses a part whose entries are apart. */
export function withPart(call: AtenCall, { root, windows, dropped }: Part, value: string): string {
  const { sizes } = call.meta(root);
  let whole = value;
  if (dropped.length) {
    const left = [...sizes];
    for (const { axis, start, end } of windows) left[axis] = end - start;
    whole = call.reshaped(value, left);
  }
  return replaced(call, call.named(root), sizes, windows, whole);
}

/**
 * Each window is one of what the windows before it left.
 * @param sizes of the value
 */
function replaced(
  call: AtenCall,
  x: string,
  sizes: readonly ProgramSize[],
  [window, ...rest]: readonly Window[],
  value: string,
): string {
  if (!window) return value;
  const { axis, start, end, step } = window;
  const size = sizes[axis];
  const isAll = start === 0 && end === size;
  if (isAll || size === undefined || size < 0)
    return isAll ? replaced(call, x, sizes, rest, value) : call.refuse('it writes into a part of the images');
  if (step !== 1) return call.refuse('it writes into entries that are apart');
  const left = sizes.map((d, i) => (i === axis ? end - start : d));
  const inner = rest.length ? replaced(call, cut(call, x, axis, start, end), left, rest, value) : value;
  const parts = [
    ...(start > 0 ? [cut(call, x, axis, 0, start)] : []),
    inner,
    ...(end < size ? [cut(call, x, axis, end, size)] : []),
  ];
  return call.emit('Concat', parts, { axis });
}

/** self with all elements of another value, repeated where that has size 1. */
const copy: AtenRule = (call) => {
  if (call.isInteger('self') !== call.isInteger('src')) call.refuse('it copies another type of numbers');
  const { sizes } = call.output();
  if (String(call.sizes('src')) === String(sizes)) call.result('Identity', [call.tensor('src')]);
  else call.result('Expand', [call.tensor('src'), call.shapeValue(sizes)]);
};

export const writeRules: Readonly<Record<string, AtenRule>> = { copy };
