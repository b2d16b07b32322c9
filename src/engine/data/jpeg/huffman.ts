/**
 * Huffman tables for decoding by looking at the next bits (ITU-T T.81, annex C and F.2.2). Where a coefficient's code and its
 * value fit into those bits together, the entry has the value already.
 */
import type { HuffmanCodes } from './header.ts';

/** Bits looked at. */
export const LOOK_BITS = 10;
export const LONGEST_CODE = 16;
/** Marks entries that have a value. */
export const HAS_VALUE = 64;

const ENTRIES = 1 << LOOK_BITS;
const LENGTHS = LONGEST_CODE + 1;
/** Where the numbers for longer codes lie in a table, in bytes. */
export const LONG_CODES = { ends: ENTRIES * 4, offsets: (ENTRIES + LENGTHS) * 4, symbols: (ENTRIES + 2 * LENGTHS) * 4 };
const SYMBOLS = 256;

/**
 * A table as the kernel reads it, 32 bits each:
 * - an entry for every value of the next LOOK_BITS bits. With a value: bits 0–5 how many bits are taken, bit 6 set, bits 8–11 zeros
 *   before the coefficient, bits 16–31 the value. Without: bits 0–5 the code's length, bits 8–15 its symbol. 0: a longer code, or none.
 * - by length of code, what 16 bits that begin with one of that length, or a shorter one, are below
 * - by length, what to add to a code for the index of its symbol
 * - the symbols, a byte each
 */
export type LookupTable = Int32Array;

/** The value that `size` bits stand for: those below half their range are negative. */
const extend = (bits: number, size: number): number => (bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits);

/** The entry for a code followed by `rest`, the `free` further bits that are looked at. */
function entryOf(symbol: number, length: number, rest: number, free: number): number {
  const size = symbol & 15;
  if (size === 0 || size > free) return (symbol << 8) | length;
  const value = extend(rest >> (free - size), size);
  return (value << 16) | ((symbol >> 4) << 8) | HAS_VALUE | (length + size);
}

function makeTable({ counts, symbols }: HuffmanCodes): LookupTable | undefined {
  const table = new Int32Array(LONG_CODES.symbols / 4 + SYMBOLS / 4);
  new Uint8Array(table.buffer).set(symbols, LONG_CODES.symbols);
  let code = 0;
  let index = 0;
  for (let length = 1; length <= LONGEST_CODE; length++, code <<= 1) {
    table[LONG_CODES.offsets / 4 + length] = index - code;
    const last = code + counts[length - 1];
    if (last > 1 << length) return undefined;
    for (; code < last; code++, index++) {
      const free = LOOK_BITS - length;
      for (let rest = 0; free >= 0 && rest < 1 << free; rest++)
        table[(code << free) | rest] = entryOf(symbols[index], length, rest, free);
    }
    table[LONG_CODES.ends / 4 + length] = code << (LONGEST_CODE - length);
  }
  return table;
}

const MOST_KNOWN = 16;
const known: { readonly codes: HuffmanCodes; readonly table: LookupTable }[] = [];

const isSame = (a: HuffmanCodes, b: HuffmanCodes): boolean =>
  Buffer.compare(a.counts, b.counts) === 0 && Buffer.compare(a.symbols, b.symbols) === 0;

/**
 * The table for codes; the latest ones are remembered, because the files of a data set mostly have the same.
 * @returns undefined where the codes do not fit into their lengths
 */
export function lookupTable(codes: HuffmanCodes): LookupTable | undefined {
  const found = known.find((one) => isSame(one.codes, codes));
  if (found) return found.table;
  const table = makeTable(codes);
  if (table) known.unshift({ codes, table });
  known.length = Math.min(known.length, MOST_KNOWN);
  return table;
}

/** Bytes of a table. */
export const TABLE_BYTES = LONG_CODES.symbols + SYMBOLS;
