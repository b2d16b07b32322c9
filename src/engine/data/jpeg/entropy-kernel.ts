/** Huffman decoding in WebAssembly (ITU-T T.81, F.2.2): the bits that come next lie in one 64-bit number. */
import { type Code, FunctionBuilder, i32, i64, type Local } from '../../../common/assembler.ts';
import { HAS_VALUE, LONG_CODES, LONGEST_CODE, LOOK_BITS } from './huffman.ts';

/** What the function works on, as 32-bit numbers in memory. */
export const STATE = { position: 0, limit: 4, isDamaged: 8, previous: 12, bytes: 32 } as const;

/** A block of a coded unit: where it goes, how far that moves from unit to unit, its tables, where its component's last first coefficient is. */
export const BLOCK = { at: 0, step: 4, dc: 8, ac: 12, previous: 16, bytes: 20 } as const;

/** A place beyond the last coefficient, told from one that damaged data reach. */
const END_OF_BLOCK = 256;
const PAST_ENDS = 65;

const { const: number, add, sub, and, load } = i32;
const advance = (at: Local, by: Code): Code => at.set(add(at.get, by));

/** The reader of bits: `window` begins with the bit at `position`. */
class Bits {
  readonly window: Local;
  private readonly top: Code;
  readonly position: Local;

  /** @param top address after the data, which lie backwards, so that a load has the next byte uppermost */
  constructor(f: FunctionBuilder, position: Local, top: Code) {
    this.window = f.local('i64');
    this.position = position;
    this.top = top;
  }

  /** 57 bits or more. */
  get fill(): Code {
    const at = sub(sub(this.top, i32.shiftRight(this.position.get, number(3))), number(8));
    return this.window.set(i64.shiftLeft(i64.load(at), i64.fromI32(and(this.position.get, number(7)))));
  }

  /** The next 0 to 32 bits as a number. */
  next(count: Code): Code {
    // Two shifts, as one by 64 does nothing.
    const half = i64.shiftRight(this.window.get, i64.fromI32(number(1)));
    return i32.fromI64(i64.shiftRight(half, i64.fromI32(sub(number(63), count))));
  }

  take(count: Code): Code {
    return [advance(this.position, count), this.window.set(i64.shiftLeft(this.window.get, i64.fromI32(count)))];
  }
}

/**
 * decodeUnits(state, blocks, blocksEnd, units, places, top): so many coded units, each the blocks of the list. Coefficients are
 * written where they are not 0; `places` has the offset in bytes of the n-th one.
 */
export function decodeUnits(): FunctionBuilder {
  const f = new FunctionBuilder('decodeUnits', 6);
  const [state, blocks, blocksEnd, units, places, top] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const integers = Array.from({ length: 11 }, () => f.local('i32'));
  const [position, isDamaged, block, at, entry, table, length, size, value, k, left] = integers;
  const bits = new Bits(f, position, top.get);

  /** A code longer than the bits looked at: searched by its length. */
  const findLong: Code = [
    length.set(number(LOOK_BITS + 1)),
    value.set(bits.next(number(LONGEST_CODE))),
    f.repeatWhile(i32.lessThan(length.get, number(LONGEST_CODE + 1)), [
      size.set(add(table.get, i32.shiftLeft(length.get, number(2)))), // row of the length
      f.either(
        i32.lessThan(value.get, load(size.get, LONG_CODES.ends)),
        [
          size.set(
            add(i32.shiftRight(value.get, sub(number(LONGEST_CODE), length.get)), load(size.get, LONG_CODES.offsets)),
          ),
          entry.set(
            i32.or(i32.shiftLeft(i32.loadByte(add(table.get, size.get), LONG_CODES.symbols), number(8)), length.get),
          ),
          length.set(number(END_OF_BLOCK)),
        ],
        advance(length, number(1)),
      ),
    ]),
    // No such code: go on as if the block ended.
    f.ifTrue(i32.isZero(entry.get), [isDamaged.set(number(1)), entry.set(number(1))]),
  ];
  const look: Code = [
    entry.set(load(add(table.get, i32.shiftLeft(bits.next(number(LOOK_BITS)), number(2))))),
    f.ifTrue(i32.isZero(entry.get), findLong),
  ];
  const codeLength = and(entry.get, number(63));
  /** Takes the code and the bits of its value, which are as many as `size`. */
  const takeValue: Code = [
    bits.take(codeLength),
    value.set(bits.next(size.get)),
    bits.take(size.get),
    // Below half of their range values are negative.
    advance(
      value,
      i32.multiply(
        sub(number(1), i32.shiftLeft(number(1), size.get)),
        i32.isZero(i32.shiftRight(value.get, sub(size.get, number(1)))),
      ),
    ),
  ];
  const put = (what: Code): Code => [
    i32.store16(add(at.get, i32.loadByte(add(places.get, k.get))), what),
    advance(k, number(1)),
  ];
  const hasValue = and(entry.get, number(HAS_VALUE));
  const zeros = (shift: number): Code => and(i32.shiftRight(entry.get, number(shift)), number(15));

  const first: Code = [
    table.set(load(block.get, BLOCK.dc)),
    bits.fill,
    look,
    f.either(
      hasValue,
      [value.set(i32.shiftRightSigned(entry.get, number(16))), bits.take(codeLength)],
      [size.set(zeros(8)), takeValue],
    ),
    k.set(load(block.get, BLOCK.previous)),
    advance(value, load(k.get)),
    i32.store(k.get, value.get),
    i32.store16(at.get, value.get),
  ];
  const coefficient: Code = [
    f.ifTrue(i32.lessThan(left.get, number(32)), [bits.fill, left.set(number(57))]),
    look,
    left.set(add(left.get, position.get)),
    f.either(
      hasValue,
      [advance(k, zeros(8)), put(i32.shiftRightSigned(entry.get, number(16))), bits.take(codeLength)],
      [
        size.set(zeros(8)),
        f.either(
          size.get,
          [advance(k, zeros(12)), takeValue, put(value.get)],
          [
            bits.take(codeLength),
            // Sixteen zeros, or nothing but zeros.
            f.either(i32.lessThan(zeros(12), number(15)), k.set(number(END_OF_BLOCK)), advance(k, number(16))),
          ],
        ),
      ],
    ),
    left.set(sub(left.get, position.get)),
  ];
  const oneBlock: Code = [
    at.set(load(block.get, BLOCK.at)),
    i32.store(block.get, add(at.get, load(block.get, BLOCK.step)), BLOCK.at),
    first,
    table.set(load(block.get, BLOCK.ac)),
    k.set(number(1)),
    left.set(number(0)),
    f.repeatWhile(i32.lessThan(k.get, number(64)), coefficient),
    isDamaged.set(i32.or(isDamaged.get, i32.lessThan(sub(k.get, number(PAST_ENDS)), number(END_OF_BLOCK - PAST_ENDS)))),
    advance(block, number(BLOCK.bytes)),
  ];
  f.body = [
    position.set(load(state.get, STATE.position)),
    f.repeatWhile(units.get, [
      block.set(blocks.get),
      f.repeatWhile(i32.lessThan(block.get, blocksEnd.get), oneBlock),
      isDamaged.set(i32.or(isDamaged.get, i32.lessThan(load(state.get, STATE.limit), position.get))),
      advance(units, number(-1)),
      f.ifTrue(isDamaged.get, units.set(number(0))),
    ]),
    i32.store(state.get, position.get, STATE.position),
    i32.store(state.get, isDamaged.get, STATE.isDamaged),
  ];
  return f;
}
