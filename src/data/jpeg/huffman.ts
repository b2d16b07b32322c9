/**
 * Huffman tables for decoding by looking at the next bits (ITU-T T.81, annex C and F.2.2). Where a coefficient's code and its
 * value fit into those bits together, the entry has the value already.
 */
import type { HuffmanCodes } from './header.ts';

/** Bits looked at. */
export const LOOK_BITS = 10;
const LONGEST_CODE = 16;

/**
 * Entries by the next LOOK_BITS bits. Bits 0–5: how many bits are taken; bits 8–11: zeros before the coefficient; bits 16–31:
 * its value, with bit 6 set. Without bit 6: the code's length, and the symbol from bit 8 on. 0: a longer code, or none.
 */
export interface LookupTable {
  readonly entries: Int32Array;
  /** Of longer codes: symbols by the next 16 bits less `base`, with their lengths; see `longSymbol`. */
  readonly codes: HuffmanCodes;
  /** By length: the code after the last one of it, moved to 16 bits; what comes before is a code of that length or a shorter one. */
  readonly ends: Int32Array;
  /** By length: what to add to a code of it for the index of its symbol. */
  readonly offsets: Int32Array;
}

export const HAS_VALUE = 64;

/** The value that `size` bits stand for: those below half their range are negative. */
export const extend = (bits: number, size: number): number => (bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits);

/** The entry for a code followed by `rest`, the `free` further bits that are looked at. */
function entryOf(symbol: number, length: number, rest: number, free: number): number {
  const size = symbol & 15;
  if (size === 0 || size > free) return (symbol << 8) | length;
  const value = extend(rest >> (free - size), size);
  return (value << 16) | ((symbol >> 4) << 8) | HAS_VALUE | (length + size);
}

function makeTable(codes: HuffmanCodes): LookupTable | undefined {
  const entries = new Int32Array(1 << LOOK_BITS);
  const ends = new Int32Array(LONGEST_CODE + 1);
  const offsets = new Int32Array(LONGEST_CODE + 1);
  let code = 0;
  let index = 0;
  for (let length = 1; length <= LONGEST_CODE; length++, code <<= 1) {
    offsets[length] = index - code;
    const last = code + codes.counts[length - 1];
    if (last > 1 << length) return undefined;
    for (; code < last; code++, index++) {
      const free = LOOK_BITS - length;
      for (let rest = 0; free >= 0 && rest < 1 << free; rest++)
        entries[(code << free) | rest] = entryOf(codes.symbols[index], length, rest, free);
    }
    ends[length] = code << (LONGEST_CODE - length);
  }
  return { entries, codes, ends, offsets };
}

const MOST_KNOWN = 16;
const known: LookupTable[] = [];

const isSame = (a: HuffmanCodes, b: HuffmanCodes): boolean =>
  Buffer.compare(a.counts, b.counts) === 0 && Buffer.compare(a.symbols, b.symbols) === 0;

/**
 * The table for codes; the latest ones are remembered, because the files of a data set mostly have the same.
 * @returns undefined where the codes do not fit into their lengths
 */
export function lookupTable(codes: HuffmanCodes): LookupTable | undefined {
  const found = known.find((table) => isSame(table.codes, codes));
  if (found) return found;
  const made = makeTable(codes);
  if (made) known.unshift(made);
  known.length = Math.min(known.length, MOST_KNOWN);
  return made;
}

/** A code longer than the bits looked at, from the next 16 bits: symbol · 256 + length, or −1 where there is no such code. */
export function longSymbol({ codes, ends, offsets }: LookupTable, next16: number): number {
  for (let length = LOOK_BITS + 1; length <= LONGEST_CODE; length++)
    if (next16 < ends[length]) {
      const index = (next16 >> (LONGEST_CODE - length)) + offsets[length];
      return codes.symbols[index] * 256 + length;
    }
  return -1;
}
