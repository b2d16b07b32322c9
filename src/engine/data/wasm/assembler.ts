/**
 * A WebAssembly assembler of the instructions that the resize needs: each is a function that gives bytes, and the module is built
 * in memory when it is first needed. (WebAssembly core specification 2.0, chapter 5 "Binary Format".)
 */

/** Bytes, nested as they were composed. */
export type Code = readonly (number | Code)[];

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest > 0x7f;
    bytes.push((rest & 0x7f) | (more ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

/** Signed LEB128 of a 32-bit number. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const isLast = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    bytes.push(isLast ? byte : byte | 0x80);
    if (isLast) return bytes;
  }
}

const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
/** Alignment is a hint: 1 is always allowed. */
const address = (offset: number): Code => [0, unsigned(offset)];

const binary =
  (opcode: Code) =>
  (a: Code, b: Code): Code => [a, b, opcode];
const unary =
  (opcode: Code) =>
  (a: Code): Code => [a, opcode];

export const i32 = {
  const: (value: number): Code => [0x41, signed(value)],
  add: binary([0x6a]),
  sub: binary([0x6b]),
  /** Without sign. */
  lessThan: binary([0x49]),
  load: (at: Code, offset = 0): Code => [at, 0x28, address(offset)],
};

export const v128 = {
  load: (at: Code, offset = 0): Code => [at, simd(0), address(offset)],
  /** Four copies of the 32 bits at an address. */
  loadSplat32: (at: Code, offset = 0): Code => [at, simd(9), address(offset)],
  store: (at: Code, value: Code, offset = 0): Code => [at, value, simd(11), address(offset)],
  /** The lowest 32 bits. */
  storeLow32: (at: Code, value: Code): Code => [at, value, simd(0x5a), address(0), 0],
  const: (bytes: readonly number[]): Code => [simd(12), bytes],
  zero: (): Code => [simd(12), new Array<number>(16).fill(0)],
  /** Lanes 0 … 15 of a, 16 … 31 of b. */
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [a, b, simd(13), lanes],
  /** Bytes of a by index; 0 where the index is above 15. */
  swizzle: binary(simd(14)),
};

export const i32x4 = {
  add: binary(simd(0xae)),
  shiftLeft: binary(simd(0xab)),
  shiftRight: binary(simd(0xac)),
  splat: unary(simd(0x11)),
  /** Products of the 16-bit lanes, neighbours added. */
  dot: binary(simd(0xba)),
};

export const narrow = {
  /** Two times four 32-bit lanes to eight 16-bit ones, saturated. */
  toInt16: binary(simd(0x85)),
  /** Two times eight 16-bit lanes to sixteen bytes, clipped to 0 … 255. */
  toBytes: binary(simd(0x66)),
};

export const widen = { low: unary(simd(0x89)), high: unary(simd(0x8a)) };

const TYPES = { i32: 0x7f, v128: 0x7b } as const;
type ValueType = keyof typeof TYPES;

export interface Local {
  readonly get: Code;
  set(value: Code): Code;
}

/** A function without results: its parameters are i32. */
export class FunctionBuilder {
  private readonly locals: ValueType[] = [];
  private readonly parameterCount: number;
  readonly name: string;
  body: Code = [];

  constructor(name: string, parameterCount: number) {
    this.name = name;
    this.parameterCount = parameterCount;
  }

  parameter(index: number): Local {
    return { get: [0x20, index], set: (value) => [value, 0x21, index] };
  }

  local(type: ValueType): Local {
    this.locals.push(type);
    return this.parameter(this.parameterCount + this.locals.length - 1);
  }

  /** Repeats the body as long as the condition holds after it: at least once. */
  repeatWhile(condition: Code, body: Code): Code {
    return [0x03, 0x40, body, condition, 0x0d, 0, 0x0b];
  }

  get type(): Code {
    return [0x60, unsigned(this.parameterCount), new Array<number>(this.parameterCount).fill(TYPES.i32), 0];
  }

  get code(): Code {
    const declared = this.locals.map((type) => [1, TYPES[type]]);
    return sized([unsigned(declared.length), declared, this.body, 0x0b]);
  }
}

const flatten = (code: Code): number[] => (code as unknown[]).flat(Number.POSITIVE_INFINITY) as number[];

function sized(code: Code): number[] {
  const bytes = flatten(code);
  return [...unsigned(bytes.length), ...bytes];
}

const section = (id: number, code: Code): Code => [id, sized(code)];
const vector = (items: readonly Code[]): Code => [unsigned(items.length), items];
const text = (value: string): Code => sized([...Buffer.from(value, 'utf8')]);

/** A module that exports its functions by name, and its `memory`. */
export function assembleModule(functions: readonly FunctionBuilder[]): Uint8Array<ArrayBuffer> {
  const exports = functions.map(({ name }, i) => [text(name), 0, unsigned(i)]);
  return Uint8Array.from(
    flatten([
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, vector(functions.map(({ type }) => type))),
      section(3, vector(functions.map((_, i) => unsigned(i)))),
      section(5, vector([[0, 1]])),
      section(7, vector([...exports, [text('memory'), 2, 0]])),
      section(10, vector(functions.map(({ code }) => code))),
    ]),
  );
}
