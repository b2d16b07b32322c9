/** Pieces that the kernels are put together from. */
import { type Code, type FunctionBuilder, i32, type Local, v128 } from '../../../../common/assembler.ts';

export const BYTES = 4;
/** Bytes of a vector of four numbers. */
export const VECTOR = 16;

export const advance = (at: Local, by: Code): Code => at.set(i32.add(at.get, by));
export const countDown = (n: Local): Code => n.set(i32.sub(n.get, i32.const(1)));
export const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

export const parametersOf = (f: FunctionBuilder, count: number): Local[] =>
  Array.from({ length: count }, (_, i) => f.parameter(i));
export const localsOf = (f: FunctionBuilder, type: 'i32' | 'v128', count: number): Local[] =>
  Array.from({ length: count }, () => f.local(type));

/** The body `count` times, which may be 0; `count` is 0 afterwards. */
export const times = (f: FunctionBuilder, count: Local, body: Code): Code =>
  f.ifTrue(count.get, f.repeatWhile(count.get, [body, countDown(count)]));

/** A function of `vectors` vectors: out = value(one vector of each input). Parameters: inputs, out, vectors. */
export function elementwise(
  f: FunctionBuilder,
  inputs: number,
  value: (inputs: readonly Code[]) => Code,
): FunctionBuilder {
  const pointers = parametersOf(f, inputs + 1);
  const left = f.parameter(inputs + 1);
  const out = pointers[inputs];
  const loaded = pointers.slice(0, inputs).map((pointer) => v128.load(pointer.get));
  f.body = times(f, left, [
    v128.store(out.get, value(loaded)),
    pointers.map((pointer) => advance(pointer, i32.const(VECTOR))),
  ]);
  return f;
}
